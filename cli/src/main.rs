//! The command `tollgate`: is this policy right, what does it do to this request, what would it have done to yesterday.

mod args;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    let args::Cli {} = args::Cli::parse();
    ExitCode::SUCCESS
}
