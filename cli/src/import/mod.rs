//! `tollgate import`: limits that exist already, as a policy.

mod directives;
mod document;
mod drf;
mod nginx;
mod nginx_terms;
mod python;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, anyhow};
use clap::Subcommand;
use serde::Serialize;
use tollgate::config::Config;

use crate::output::{Output, print, tell};
use crate::style::{MIND, styled};
pub(crate) use document::Document;

/// Makes a policy of limits that another program has. The policy goes to standard output; what differs, or could not be known, to
/// standard error.
///
/// Exit code: 0; 2 if the file has no limits, or cannot be read.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    from: From,
}

/// Whose limits.
#[derive(Debug, Subcommand)]
enum From {
    /// Django REST framework: `REST_FRAMEWORK` in a file of Django's settings. The file is read, not run
    Drf {
        /// Such as `settings.py`
        settings: PathBuf,
    },
    /// nginx: `limit_req_zone` and `limit_req`. Included files are not followed: `nginx -T` writes all as one
    Nginx {
        /// Such as `nginx.conf`
        conf: PathBuf,
    },
}

/// A policy, and what is to be known about it.
#[derive(Debug)]
struct Imported {
    policy: Document,
    notes: Vec<String>,
}

/// Imports, and prints what came of it.
///
/// # Errors
/// If the file cannot be read, or has no limits.
pub fn run(args: &Args, format: Output) -> anyhow::Result<ExitCode> {
    let (From::Drf { settings: path } | From::Nginx { conf: path }) = &args.from;
    let shown = path.display();
    let text = std::fs::read(path).with_context(|| format!("{shown} cannot be read"))?;
    let text = String::from_utf8_lossy(&text);
    let imported = match &args.from {
        From::Drf { .. } => drf::import(&text),
        From::Nginx { .. } => nginx::import(&text),
    };
    let Imported { policy, notes } = imported.map_err(|reason| anyhow!("{shown}: {reason}"))?;
    let written = policy.to_string();
    if let Err(error) = Config::parse(written.as_bytes()) {
        return Err(anyhow!("{shown}: what comes out is refused ({error}):\n{written}"));
    }
    match format {
        Output::Text => {
            print(&written)?;
            for note in notes {
                tell(&format!("{} {note}\n", styled(MIND, "-")))?;
            }
        }
        Output::Json => {
            #[derive(Serialize)]
            struct Both {
                policy: serde_json::Value,
                notes: Vec<String>,
            }
            let both = Both { policy: serde_json::from_str(&written)?, notes };
            print(&serde_json::to_string(&both)?)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}
