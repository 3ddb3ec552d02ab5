//! `tollgate suggest`: a policy to begin with, from an access log.

mod fold;
mod page;
mod peaks;
mod propose;
mod survey;

use std::fmt::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::anyhow;
use serde::Serialize;
use tollgate::client::{Address, Crawlers, Prefixes};
use tollgate::config::Config;

use crate::log::{Credential, FileReport, Format, Line, Logs, Skip, follow};
use crate::output::{Output, Progress, count, if_any, number, print, share, span, table, tell};
use crate::report::{Target, Timeline};
use crate::style::{MIND, NAME, styled};
use fold::folded;
use propose::{Proposal, Suggestion, confidence, propose};
use survey::{Seen, Survey};

/// A policy to begin with, from access logs: every scope in shadow, so that it denies nothing, and a comment on each. The policy goes
/// to standard output, the comments to standard error.
///
/// What counts is each client's highest rate, not how many requests there are. A limit is half as much again as what all but one
/// in a hundred clients ever do; of fewer than a hundred, at most four and a half times what nine in ten do.
///
/// Exit code: 0; 1 if a log could not be read to its end; 2 if a log is refused, or has no requests.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    logs: Logs,
    /// Writes it as a page, too, with each limit's curve: one HTML file that needs nothing else
    #[arg(long, value_name = "FILE.html")]
    report: Option<PathBuf>,
}

/// Suggests, and prints what came of it.
///
/// # Errors
/// If an option or a log is refused, or there are no requests.
pub fn run(args: Args, format: Output) -> anyhow::Result<ExitCode> {
    let hops = args.logs.trusted_hops;
    let (inputs, how) = args.logs.open()?;
    let report = args.report.as_deref().map(Target::create).transpose()?;
    let mut timeline = Timeline::default();
    let mut progress = Progress::new(&inputs);
    let crawlers = Crawlers::default();
    let mut followed = follow(&inputs, &how, move |format, line, _, _| seen(format, &line, hops, &crawlers));
    let mut survey = Survey::default();
    while let Some((time, seen)) = followed.next().map_err(|reason| anyhow!(reason))? {
        survey.count(time, seen);
        if report.is_some() {
            timeline.count(time, false, false);
        }
        if survey.requests.is_multiple_of(4096) {
            progress.tell(followed.bytes(), survey.requests);
        }
    }
    progress.finish();
    let suggestion =
        propose(&survey).ok_or_else(|| anyhow!("the log has no requests: nothing to suggest"))?;
    let written = suggestion.policy.to_string();
    if let Err(error) = Config::parse(written.as_bytes()) {
        return Err(anyhow!("what comes out is refused ({error}):\n{written}"));
    }
    let notes = notes(&survey, &suggestion, &followed.reports);
    if let Some(target) = report {
        target.write(&page::page(&survey, &suggestion, timeline, &followed.reports, notes.clone()))?;
    }
    match format {
        Output::Text => {
            print(&written)?;
            tell(&comments(&survey, &suggestion.proposals))?;
            for note in notes {
                tell(&format!("\n{note}.\n"))?;
            }
        }
        Output::Json => print(&json(&survey, &suggestion.proposals, &written, notes)?)?,
    }
    let is_whole = followed.reports.iter().all(|report| report.broken.is_none());
    Ok(if is_whole { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

/// What a line says, as far as it matters here.
fn seen(format: &Format, line: &Line, hops: usize, crawlers: &Crawlers) -> Seen {
    let user = match &line.credential {
        Credential::StandIn(name) => Some(name.as_ref().into()),
        _ => None,
    };
    // Caddy tells all headers: who has sent none that could be a credential had none.
    let could_be = |name: &str| name == "authorization" || name == "cookie";
    let has_none = format.tells_headers() && !line.headers.iter().any(|(name, _)| could_be(name));
    let network = Address::parse(line.client(hops)).network(Prefixes::default());
    Seen {
        path: folded(&line.target),
        is_post: *line.method == *b"POST",
        address: network.to_string().into_bytes().into(),
        user,
        is_attributed: line.credential != Credential::Untold || has_none,
        status: line.status,
        crawler: line.agent.as_deref().and_then(|agent| crawlers.family(agent)).map(str::to_owned),
    }
}

fn comments(survey: &Survey, proposals: &[Proposal]) -> String {
    let length = span(survey.last - survey.first.unwrap_or(survey.last));
    let mut text = format!("{} in {length}\n\n", count(survey.requests, "request"));
    let row = |proposal: &Proposal| {
        let [p50, p90, p99, most] = proposal.ranks[1].map(|rank| number(rank.into()));
        let clients = format!("{} ({})", number(proposal.clients as u64), confidence(proposal.clients));
        let hit = if_any(MIND, proposal.hit.len() as u64);
        vec![styled(NAME, &proposal.name), clients, p50, p90, p99, most, proposal.rates.join(", "), hit]
    };
    let rows: Vec<Vec<String>> = proposals.iter().map(row).collect();
    let headings = [
        "scope",
        " clients (confidence)",
        " p50/min",
        " p90",
        " p99",
        " most",
        "suggested",
        " would have met it",
    ];
    text.push_str(&table(&headings, &rows));
    text.push_str("\nOf each client its busiest minute: p99 is what all but one in a hundred clients never went beyond.\n\n");
    for proposal in proposals {
        let hit = match &proposal.hit[..] {
            [] => String::new(),
            hit => {
                let shown: Vec<&str> = hit.iter().take(3).map(String::as_str).collect();
                let more = if hit.len() > 3 { ", …" } else { "" };
                format!(". It would have met {}{more}", shown.join(", "))
            }
        };
        // A string takes all that is written.
        let _ = writeln!(text, "{}: {}{hit}.", styled(NAME, &proposal.name), proposal.comment);
    }
    text
}

fn notes(survey: &Survey, suggestion: &Suggestion, reports: &[FileReport]) -> Vec<String> {
    let mut notes = suggestion.notes.clone();
    if survey.unattributed > 0 {
        notes.push(format!(
            "The log does not tell the credential of {} of the requests, so clients are addresses there: docs/replay.md shows formats \
             that tell users apart",
            share(survey.unattributed, survey.requests)
        ));
    }
    if !propose::is_long_enough(survey, 2) {
        notes.push("The log is shorter than an hour: take a day, better a week".into());
    }
    let skipped: u64 = reports.iter().flat_map(|report| report.skipped).sum();
    if skipped > 0 {
        let by = |skip: Skip| reports.iter().map(|report| report.skipped[skip as usize]).sum::<u64>();
        let words = Skip::ALL.iter().filter(|skip| by(**skip) > 0);
        let words: Vec<String> =
            words.map(|skip| format!("{} {}", number(by(*skip)), skip.words())).collect();
        notes.push(format!("{} skipped: {}", count(skipped, "line"), words.join(", ")));
    }
    for report in reports {
        if let Some(reason) = &report.broken {
            notes.push(format!("{} could not be read to its end ({reason})", report.name));
        }
    }
    notes.push(
        "Every scope is in shadow: it counts and denies nothing. See what it would do by `tollgate replay`"
            .into(),
    );
    notes
}

fn json(survey: &Survey, proposals: &[Proposal], policy: &str, notes: Vec<String>) -> anyhow::Result<String> {
    #[derive(Serialize)]
    struct Report<'a> {
        requests: u64,
        unattributed: u64,
        policy: serde_json::Value,
        scopes: Vec<Scope<'a>>,
        notes: Vec<String>,
    }
    #[derive(Serialize)]
    struct Scope<'a> {
        name: &'a str,
        comment: &'a str,
        suggested: &'a [String],
        requests: u64,
        clients: usize,
        confidence: &'static str,
        #[serde(rename = "10s")]
        seconds: Ranks,
        min: Ranks,
        h: Ranks,
        hit: &'a [String],
    }
    #[derive(Serialize)]
    struct Ranks {
        p50: u32,
        p90: u32,
        p99: u32,
        most: u32,
    }
    let scopes = proposals.iter().map(|proposal| {
        let [seconds, min, h] = proposal.ranks.map(|[p50, p90, p99, most]| Ranks { p50, p90, p99, most });
        Scope {
            name: &proposal.name,
            comment: &proposal.comment,
            suggested: &proposal.rates,
            requests: proposal.requests,
            clients: proposal.clients,
            confidence: confidence(proposal.clients),
            seconds,
            min,
            h,
            hit: &proposal.hit,
        }
    });
    let report = Report {
        requests: survey.requests,
        unattributed: survey.unattributed,
        policy: serde_json::from_str(policy)?,
        scopes: scopes.collect(),
        notes,
    };
    Ok(serde_json::to_string(&report)?)
}
