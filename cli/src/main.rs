//! The command `tollgate`: is this policy right, what does it do to this request, what would it have done to yesterday.

#[cfg(test)]
mod agreement;
mod args;
mod cases;
mod check;
mod clients;
mod explain;
mod policy;
mod request;
mod schema;
mod span;
mod tell;
mod words;
mod world;

use std::io::{self, Write as _};
use std::process::ExitCode;

use args::{Cli, Colour, Command};
use clap::{CommandFactory as _, Parser};

/// What could not be done, such as to read a file.
const FAILED: u8 = 2;

fn main() -> ExitCode {
    let cli = Cli::try_parse().unwrap_or_else(|error| {
        if let Some(words) = clients::instead_of_secrets(&error) {
            let _ = writeln!(anstream::stderr(), "{}: {words}", tell::styled(tell::BAD, "tollgate"));
            std::process::exit(FAILED.into());
        }
        error.exit()
    });
    match cli.color {
        Colour::Auto => {}
        Colour::Always => anstream::ColorChoice::Always.write_global(),
        Colour::Never => anstream::ColorChoice::Never.write_global(),
    }
    run(cli).unwrap_or_else(|error| {
        let is_unread = |error: &io::Error| error.kind() == io::ErrorKind::BrokenPipe;
        if error.downcast_ref().is_some_and(is_unread) {
            // Whoever was reading has seen enough, as `head` has.
            return ExitCode::SUCCESS;
        }
        // Where nobody can be told, the exit code says it.
        let _ = writeln!(anstream::stderr(), "{}: {error:#}", tell::styled(tell::BAD, "tollgate"));
        ExitCode::from(FAILED)
    })
}

fn run(cli: Cli) -> anyhow::Result<ExitCode> {
    match cli.command {
        Command::Check(args) => check::run(&args, cli.format),
        Command::Explain(args) => explain::run(&args, cli.format),
        Command::Test(args) => cases::run(&args, cli.format),
        Command::Replay(args) => tollgate_cli::replay::run(args, cli.format),
        Command::Suggest(args) => tollgate_cli::suggest::run(args, cli.format),
        Command::Import(args) => tollgate_cli::import::run(&args, cli.format),
        Command::Clients(args) => clients::run(&args, cli.format),
        Command::Schema => Ok(tell::print(schema::SCHEMA).map(|()| ExitCode::SUCCESS)?),
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "tollgate", &mut script);
            Ok(tell::print(&String::from_utf8_lossy(&script)).map(|()| ExitCode::SUCCESS)?)
        }
        Command::Man { command } => {
            let mut page = Vec::new();
            clap_mangen::Man::new(described(&command)?).render(&mut page)?;
            Ok(tell::print(&String::from_utf8_lossy(&page)).map(|()| ExitCode::SUCCESS)?)
        }
    }
}

/// The whole command, or the one to which these names lead: `clients block`.
fn described(names: &[String]) -> anyhow::Result<clap::Command> {
    let mut found = Cli::command();
    found.build();
    let mut whole_name = "tollgate".to_owned();
    for name in names {
        let next = found.get_subcommands().find(|command| command.get_name() == name).cloned();
        found = next.ok_or_else(|| {
            anyhow::anyhow!("there is no command `{}`; see `tollgate --help`", tell::clean(name))
        })?;
        whole_name.push('-');
        whole_name.push_str(name);
    }
    Ok(found.display_name(whole_name))
}
