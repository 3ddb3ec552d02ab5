//! The command `tollgate`: is this policy right, what does it do to this request, what would it have done to yesterday.

mod args;

use std::io::{self, Write};
use std::process::ExitCode;

use clap::Parser;

use args::{Cli, Command};
use tollgate_cli::{import, replay, suggest};

fn main() -> ExitCode {
    let Cli { command, format } = Cli::parse();
    let outcome = match command {
        Command::Replay(args) => replay::run(args, format),
        Command::Suggest(args) => suggest::run(args, format),
        Command::Import(args) => import::run(&args, format),
    };
    outcome.unwrap_or_else(|error| {
        let is_unread = |error: &io::Error| error.kind() == io::ErrorKind::BrokenPipe;
        if error.downcast_ref().is_some_and(is_unread) {
            // Whoever was reading has seen enough, as `head` has.
            return ExitCode::SUCCESS;
        }
        // Where nobody can be told, the exit code says it.
        let _ = writeln!(io::stderr(), "tollgate: {error:#}");
        ExitCode::from(2)
    })
}
