//! The command `tollgate`: is this policy right, what does it do to this request, what would it have done to yesterday.

mod args;

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
        eprintln!("tollgate: {error:#}");
        ExitCode::from(2)
    })
}
