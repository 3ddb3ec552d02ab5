//! The command line.

use clap::{Parser, Subcommand};

use crate::tell::Format;
use crate::{cases, check, clients, explain};
use tollgate_cli::{import, replay, suggest};

/// Is this policy right, what does it do to this request, what would it have done to yesterday.
#[derive(Debug, Parser)]
#[command(name = "tollgate", version, propagate_version = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
    /// What the answer looks like
    #[arg(
        long,
        global = true,
        value_enum,
        default_value_t,
        value_name = "FORMAT",
        help_heading = "The answer"
    )]
    pub(crate) format: Format,
    /// Colours: `auto` has them where a terminal shows them and `NO_COLOR` is not set
    #[arg(
        long,
        global = true,
        value_enum,
        default_value_t,
        value_name = "WHEN",
        help_heading = "The answer"
    )]
    pub(crate) color: Colour,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Check(check::Args),
    Explain(Box<explain::Args>),
    Test(cases::Args),
    Replay(replay::Args),
    Suggest(suggest::Args),
    Import(import::Args),
    Clients(Box<clients::Args>),
    /// Print the JSON Schema of policies, for editors
    Schema,
    /// Print what a shell needs to complete this command
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Print the manual page, or that of one command
    Man {
        /// The command, such as `explain` or `clients block`
        command: Vec<String>,
    },
}

/// When answers have colours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Colour {
    #[default]
    Auto,
    Always,
    Never,
}

/// What the application answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    Number(u16),
    Never,
}

/// Reads a status, or `none`.
///
/// # Errors
/// If it is none; in words.
pub(crate) fn status(text: &str) -> Result<Status, String> {
    if text == "none" {
        return Ok(Status::Never);
    }
    let number = text.parse().ok().filter(|status| (200..600).contains(status) || *status == 101);
    number.map(Status::Number).ok_or_else(|| "expected a status, 101 or 200 to 599, or `none`".to_owned())
}
