//! The command `tollgate`: is this policy right, what does it do to this request, what would it have done to yesterday.

mod args;

use std::io::{self, Write};
use std::process::ExitCode;

use clap::Parser;

use args::{Cli, Command};
use tollgate_cli::{import, replay, suggest};

fn main() -> ExitCode {
    let outcome = match Cli::parse().command {
        Command::Replay(args) => replay::run(args),
        Command::Suggest(args) => suggest::run(args),
        Command::Import(args) => import::run(&args),
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
