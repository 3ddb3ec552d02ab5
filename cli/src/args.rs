//! The command line.

use clap::{Parser, Subcommand};

use tollgate_cli::{Output, import, replay, suggest};

/// Is this policy right, what does it do to this request, what would it have done to yesterday.
#[derive(Debug, Parser)]
#[command(name = "tollgate", version)]
pub(crate) struct Cli {
    /// What to print
    #[arg(long, global = true, value_enum, default_value_t)]
    pub(crate) format: Output,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Replay(replay::Args),
    Suggest(suggest::Args),
    Import(import::Args),
}
