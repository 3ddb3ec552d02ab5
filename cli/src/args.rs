//! The command line.

use clap::Parser;

/// Is this policy right, what does it do to this request, what would it have done to yesterday.
#[derive(Debug, Parser)]
#[command(name = "tollgate", version)]
pub(crate) struct Cli {}
