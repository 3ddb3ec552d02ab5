//! `tollgate check`: what Envoy would say, the policy in plain words, and the traps in it.

mod poller;
mod surroundings;
#[cfg(test)]
mod tests;
mod traps;
mod witness;

use std::process::ExitCode;

use serde::Serialize;
use traps::{Name, Trap};

use crate::policy::{Policy, Refusal};
use crate::tell::{self, Format};
use crate::words::{self, PolicyWords};

/// Say what Envoy would say of a policy, what it means, and which traps are in it
///
/// The exit code is 0 if all is well, 1 if there are traps, 2 if a policy is refused or cannot be read.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  tollgate check policy.json
  tollgate check --allow shadow-left --quiet policies/*.json
  tollgate check /etc/envoy/envoy.yaml
  kubectl get wasmplugin,envoyextensionpolicy -A -o yaml | tollgate check -")]
pub(crate) struct Args {
    /// The policies: JSON files, Envoy's configurations or resources of Kubernetes (.yaml), - for stdin, or `default`
    #[arg(required = true, value_name = "POLICY")]
    policies: Vec<String>,
    /// A trap that is known and meant; may be given several times
    #[arg(long, value_name = "TRAP", value_enum)]
    allow: Vec<Name>,
    /// Leave out the policy in words
    #[arg(short, long)]
    quiet: bool,
}

/// What was found out about one policy.
#[derive(Serialize)]
struct Checked {
    policy: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    refused: Option<Refused>,
    #[serde(skip_serializing_if = "Option::is_none")]
    words: Option<PolicyWords>,
    traps: Vec<Trap>,
}

#[derive(Serialize)]
struct Refused {
    /// The field that is wrong; empty if it is the document itself, or cannot be read.
    path: String,
    reason: String,
}

/// Checks.
///
/// # Errors
/// If the answer cannot be written.
pub(crate) fn run(args: &Args, format: Format) -> anyhow::Result<ExitCode> {
    let mut all = Vec::new();
    let mut out = String::new();
    for word in &args.policies {
        let read = Policy::all(word);
        let together =
            surroundings::find(&read.iter().map(|policy| policy.as_ref().ok()).collect::<Vec<_>>());
        for (policy, mut around) in read.into_iter().zip(together) {
            if !out.is_empty() {
                out.push('\n');
            }
            all.push(match policy {
                Ok(policy) => {
                    let mut traps = traps::find(&policy);
                    traps.append(&mut around);
                    traps.retain(|trap| !args.allow.contains(&trap.name));
                    show(&policy, &traps, args.quiet, &mut out);
                    let words = (!args.quiet).then(|| PolicyWords::of(&policy));
                    Checked { policy: policy.name, refused: None, words, traps }
                }
                Err(refusal) => {
                    tell::line(&mut out, 0, tell::styled(tell::BAD, &refusal));
                    let Refusal { name, path, reason, .. } = refusal;
                    let refused = Some(Refused { path, reason });
                    Checked { policy: name, refused, words: None, traps: Vec::new() }
                }
            });
        }
    }
    match format {
        Format::Text => tell::print(&out)?,
        Format::Json => tell::print_json(&serde_json::json!({ "policies": all }))?,
    }
    let code = all.iter().map(|checked| match (&checked.refused, checked.traps.is_empty()) {
        (Some(_), _) => 2,
        (None, false) => 1,
        (None, true) => 0,
    });
    Ok(ExitCode::from(code.max().unwrap_or(0)))
}

/// Looks for traps, whatever is found.
#[cfg(test)]
pub(crate) fn try_out(policy: &Policy) {
    show(policy, &traps::find(policy), false, &mut String::new());
}

fn show(policy: &Policy, traps: &[Trap], is_quiet: bool, out: &mut String) {
    if !is_quiet {
        tell::line(
            out,
            0,
            format_args!("{}: {}", policy.name, tell::styled(tell::GOOD, "Envoy would take it")),
        );
        out.push('\n');
        words::show(policy, out);
        out.push('\n');
    }
    match traps.len() {
        0 => tell::line(out, 0, format_args!("{}: {}", policy.name, tell::styled(tell::GOOD, "no traps"))),
        1 => tell::line(out, 0, format_args!("{}: {}", policy.name, tell::styled(tell::MIND, "1 trap"))),
        count => {
            tell::line(
                out,
                0,
                format_args!("{}: {}", policy.name, tell::styled(tell::MIND, format!("{count} traps"))),
            );
        }
    }
    for trap in traps {
        out.push('\n');
        tell::line(out, 0, format_args!("{} ({})", tell::styled(tell::MIND, trap.name.text()), trap.place));
        tell::wrapped(out, 11, "  why", &trap.why);
        tell::wrapped(out, 11, "  instead", &trap.instead);
    }
}
