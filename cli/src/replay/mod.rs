//! `tollgate replay`: an access log through the gate, on the log's clock.

mod decisions;
mod judge;
mod names;
mod needs;
mod notes;
mod page;
mod peaks;
mod rates;
mod request;
mod show;
mod tally;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, anyhow};
use tollgate::config::Config;

use crate::embedded;
use crate::log::{FileReport, Input, Logs, follow, names as formats};
use crate::output::{Output, Progress};
use crate::report::Target;
use decisions::Decisions;
use judge::Judge;
use needs::Needs;
use peaks::Peaks;
use request::Shape;
use tally::Tally;

/// What would this policy have done to yesterday's traffic? Reads access logs and sends them through the gate, on the log's clock.
///
/// Exit code: 0; 1 if a log could not be read to its end; 2 if the policy or a log is refused.
#[derive(Debug, clap::Args)]
#[command(after_help = format_help())]
pub struct Args {
    /// The policy: a JSON file, Envoy's configuration or a resource of Kubernetes (.yaml), or `default`
    policy: PathBuf,
    #[command(flatten)]
    logs: Logs,
    /// Another rate for a scope, such as `anon=120/min` or `user=20/s,300/min`; may be given several times
    #[arg(long = "rate", value_name = "SCOPE=RATE")]
    rates: Vec<String>,
    /// How many of the clients that were denied most are shown
    #[arg(long, value_name = "COUNT", default_value_t = 10)]
    top: usize,
    /// Writes what became of each request, a line of JSON for each, in the order of time
    #[arg(long, value_name = "FILE")]
    decisions: Option<PathBuf>,
    /// Writes what came of it as a page, one HTML file that needs nothing else
    #[arg(long, value_name = "FILE.html")]
    report: Option<PathBuf>,
}

fn format_help() -> String {
    let list: Vec<String> = formats().map(|(name, words)| format!("  {name:<15} {words}")).collect();
    format!("Formats:\n{}", list.join("\n"))
}

/// All that is known when a log is over.
struct Outcome<'a> {
    config: &'a Config,
    needs: Needs,
    tally: Tally,
    judge: &'a Judge,
    reports: Vec<FileReport>,
    top: usize,
}

/// Replays, and prints what came of it.
///
/// # Errors
/// If the policy, an option or a log is refused, or something cannot be read or written.
pub fn run(args: Args, format: Output) -> anyhow::Result<ExitCode> {
    let name = args.policy.display().to_string();
    let mut config = read_policy(&args.policy)?;
    for rate in &args.rates {
        rates::replace(&mut config, rate).map_err(|reason| anyhow!("--rate {rate}: {reason}"))?;
    }
    let shape = Shape::new(&config, args.logs.trusted_hops);
    let (inputs, how) = args.logs.open()?;
    let needs = Needs::of(&config);

    let names: Vec<String> = inputs.iter().map(Input::name).collect();
    let mut decisions = args.decisions.as_deref().map(|path| Decisions::create(path, names)).transpose()?;
    let report = args.report.as_deref().map(Target::create).transpose()?;
    let mut peaks = report.as_ref().map(|_| Peaks::new(&config.policy));
    let mut progress = Progress::new(&inputs);
    let mut followed =
        follow(&inputs, &how, move |format, line, number, file| shape.entry(format, &line, number, file));
    let mut tally = Tally::new(&config.policy);
    let mut judge = Judge::new(config.clone());
    while let Some((time, entry)) = followed.next().map_err(|reason| anyhow!(reason))? {
        judge.judge(time, &entry, |decision, client| {
            tally.count(time, &entry, decision, client, &config.policy);
            if let Some(peaks) = &mut peaks {
                peaks.count(time, &entry, decision, &config.policy);
            }
            decisions.as_mut().map_or(Ok(()), |out| out.put(time, &entry, decision, &config.policy))
        })?;
        if tally.requests.is_multiple_of(4096) {
            progress.tell(followed.bytes(), tally.requests);
        }
    }
    judge.finish();
    progress.finish();
    decisions.map_or(Ok(()), Decisions::finish)?;
    let outcome =
        Outcome { config: &config, needs, tally, judge: &judge, reports: followed.reports, top: args.top };
    if let Some((target, peaks)) = report.zip(peaks) {
        target.write(&page::page(&outcome, &name, peaks))?;
    }
    match format {
        Output::Text => show::text(&outcome),
        Output::Json => show::json(&outcome),
    }?;
    let is_whole = outcome.reports.iter().all(|report| report.broken.is_none());
    Ok(if is_whole { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

/// A policy from its file, as it is loaded there.
fn read_policy(path: &std::path::Path) -> anyhow::Result<Config> {
    let shown = path.display();
    if path.as_os_str() == "default" && !path.exists() {
        return Ok(crate::parse(b"")?);
    }
    let bytes = std::fs::read(path).with_context(|| format!("the policy {shown} cannot be read"))?;
    let found =
        embedded::find_one(&path.to_string_lossy(), bytes).map_err(|reason| anyhow!("{shown} {reason}"))?;
    found.around.parse(&found.document).map_err(|error| anyhow!("the policy {shown} is refused: {error}"))
}
