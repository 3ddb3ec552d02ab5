//! `tollgate clients`: who is being limited, by what, and let this one through. It asks the console of a running Envoy.

mod answers;
mod console;
mod list;
mod show;
mod status;
mod who;

use std::fmt::Write as _;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{anyhow, bail};
use clap::error::{ContextKind, ContextValue, ErrorKind};
use console::{Console, Question};
use list::List;
use serde::Serialize;
use serde_json::{Value, json};
use who::{Named, Who};

use crate::tell::{self, Format};

/// See who is close to a limit or over it, and pardon, block or unblock one client
///
/// It asks the console of a running Envoy. Without a command of its own it is `list`.
///
/// The exit code is 0 if it is done, 1 if there was nothing to do or nothing is known, 2 if the console refuses or cannot be reached.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "The token, if the console wants one, is taken from $TOLLGATE_CONSOLE_TOKEN, and never from an argument: others see those.

Examples:
  tollgate clients
  tollgate clients list --scope anon --limit 10
  tollgate clients find --address 203.0.113.7
  tollgate clients pardon 0123456789abcdef0123456789abcdef
  tollgate clients block --address 203.0.113.7 --for 1h
  pass show customer/token | tollgate clients find --credential-stdin
  tollgate clients status --console https://console.example.com"
)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    list: List,
    /// Where the console listens; else `$TOLLGATE_CONSOLE`, else `http://127.0.0.1:9902`
    #[arg(long, global = true, value_name = "URL", help_heading = "The console")]
    console: Option<String>,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// List the clients with counters, the fullest first
    List(List),
    /// Say what is known of one client: its counters, its proof, and whether it is blocked
    Find {
        #[command(flatten)]
        whom: Named,
    },
    /// Let one client through: its counters and its proof are forgotten
    Pardon {
        #[command(flatten)]
        whom: Named,
        #[command(flatten)]
        by: By,
    },
    /// Deny all that one client asks for, for a while
    Block {
        #[command(flatten)]
        whom: Named,
        /// For how long, from 1s to 31d, such as `90s`, `15m`, `2h` or `1d`
        #[arg(long = "for", value_name = "SPAN", default_value = "15m", value_parser = block_span)]
        lasts: Duration,
        #[command(flatten)]
        by: By,
    },
    /// End the block of one client
    Unblock {
        #[command(flatten)]
        whom: Named,
        #[command(flatten)]
        by: By,
    },
    /// Say what is in force: each policy and scope, what it has decided, the table, Redis, and who is blocked
    Status,
}

/// Who acts.
#[derive(Debug, clap::Args)]
struct By {
    /// Who does this, for Envoy's log; else $USER
    #[arg(long, value_name = "WHO")]
    by: Option<String>,
}

/// Asks, or acts, and tells what came of it.
///
/// # Errors
/// If the command line makes no sense, or the console refuses, cannot be reached, or answers what none would; in words.
pub(crate) fn run(args: &Args, format: Format) -> anyhow::Result<ExitCode> {
    // What is wrong with the command line is said before anything is asked or read.
    let console = Console::new(args.console.as_deref())?;
    let is_list = matches!(args.command, None | Some(Command::List(_)));
    if !is_list && args.list != List::default() {
        bail!("--scope, --policy and --limit belong to `list`");
    }
    match &args.command {
        None => args.list.run(&console, format),
        Some(Command::List(own)) => own.or(&args.list).run(&console, format),
        Some(Command::Find { whom }) => find(&console, &whom.read()?, format),
        Some(Command::Pardon { whom, by }) => {
            act(&console, &whom.read()?, "pardon", &by.body()?, show::pardoned, format)
        }
        Some(Command::Block { whom, lasts, by }) => {
            let mut body = by.body()?;
            body["for"] = format!("{}s", lasts.as_secs()).into();
            act(&console, &whom.read()?, "block", &body, show::blocked, format)
        }
        Some(Command::Unblock { whom, by }) => {
            act(&console, &whom.read()?, "unblock", &by.body()?, show::unblocked, format)
        }
        Some(Command::Status) => {
            let answer = console.ask::<answers::Status>(&Question::get("/v1/policies"))?;
            tell(&answer.json, format, || status::show(&answer.said))?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// What to do instead, if the command line was refused for an argument that would be a secret. Whoever can list processes sees
/// arguments, and shells keep them.
pub(crate) fn instead_of_secrets(error: &clap::Error) -> Option<String> {
    const SEEN: &str =
        "is no argument: others on this machine can see arguments, and the shell keeps them in its history.";
    let Some(ContextValue::String(argument)) = error.get(ContextKind::InvalidArg) else { return None };
    let name = argument.split('=').next().unwrap_or_default();
    match (error.kind(), name) {
        (ErrorKind::UnknownArgument, "--credential") => Some(format!(
            "a credential {SEEN}\nWrite it into a file, and say --credential-file FILE; or hand it over by a pipe, and say \
             --credential-stdin."
        )),
        (ErrorKind::UnknownArgument, "--token") => Some(format!(
            "the console's token {SEEN}\nPut it into the environment, as TOLLGATE_CONSOLE_TOKEN."
        )),
        _ => None,
    }
}

impl By {
    /// What an act says beside what it is about.
    fn body(&self) -> anyhow::Result<Value> {
        const LONGEST: usize = 64;
        let is_fit = |name: &str| {
            !name.is_empty()
                && name.chars().count() <= LONGEST
                && tell::clean(name) == name
                && name.trim() == name
        };
        match &self.by {
            Some(name) if is_fit(name) => Ok(json!({ "by": name })),
            Some(_) => Err(anyhow!("--by is a name of 1 to {LONGEST} visible characters")),
            None => {
                let name = std::env::var("USER").ok().filter(|name| is_fit(name));
                Ok(name.map_or_else(|| json!({}), |name| json!({ "by": name })))
            }
        }
    }
}

fn find(console: &Console, whom: &Who, format: Format) -> anyhow::Result<ExitCode> {
    let answer = console.ask::<answers::Found>(&Question::find(whom))?;
    tell(&answer.json, format, || show::found(&answer.said))?;
    let is_known = answer.said.clients.iter().any(answers::Known::is_known);
    Ok(if answer.said.problem.is_some() && !is_known {
        ExitCode::from(crate::FAILED)
    } else {
        done(is_known)
    })
}

/// Acts on each client that is meant, and tells what came of each.
fn act<T: serde::de::DeserializeOwned>(
    console: &Console,
    whom: &Who,
    what: &str,
    body: &Value,
    show: fn(&T) -> (bool, String),
    format: Format,
) -> anyhow::Result<ExitCode> {
    let clients = match whom {
        Who::Client(client) => vec![client.clone()],
        Who::Address(_) | Who::Credential(_) => {
            let found = console.ask::<answers::Found>(&Question::find(whom))?;
            if found.said.clients.is_empty() {
                tell(&found.json, format, || show::found(&found.said))?;
            }
            found.said.clients.iter().map(|client| who::id(&client.client)).collect::<Result<_, _>>()?
        }
    };
    let mut is_done = false;
    for client in clients {
        let answer = console.ask::<T>(&Question::act(&client, what, body))?;
        let (has_changed, words) = show(&answer.said);
        tell(&answer.json, format, || words)?;
        is_done |= has_changed;
    }
    Ok(done(is_done))
}

/// 1 says that there was nothing to do.
fn done(is_done: bool) -> ExitCode {
    if is_done { ExitCode::SUCCESS } else { ExitCode::from(1) }
}

/// Prints what the console has answered, in words or as it is.
fn tell(json: &Value, format: Format, words: impl FnOnce() -> String) -> anyhow::Result<()> {
    match format {
        Format::Text => Ok(tell::print(&words())?),
        Format::Json => Ok(tell::print(&escaped(&pretty(json)?))?),
    }
}

fn pretty(json: &impl Serialize) -> anyhow::Result<String> {
    Ok(serde_json::to_string_pretty(json)? + "\n")
}

/// JSON, in which a text may have what steers a terminal beside what JSON escapes anyway.
fn escaped(json: &str) -> String {
    let mut escaped = String::with_capacity(json.len());
    for character in json.chars() {
        let shown = character.to_string();
        if character == '\n' || tell::clean(&shown) == shown {
            escaped.push(character);
        } else {
            let mut units = [0; 2];
            for unit in character.encode_utf16(&mut units) {
                // A string takes all that is written.
                let _ = write!(escaped, "\\u{unit:04x}");
            }
        }
    }
    escaped
}

/// A span for which a client can be blocked.
fn block_span(text: &str) -> Result<Duration, String> {
    const LONGEST: Duration = Duration::from_hours(31 * 24);
    let span = crate::span::parse(text)?;
    if span.subsec_nanos() == 0 && (Duration::from_secs(1)..=LONGEST).contains(&span) {
        Ok(span)
    } else {
        Err("expected whole seconds, from 1s to 31d".to_owned())
    }
}
