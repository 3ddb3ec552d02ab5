//! `tollgate explain`: what a policy does to a request, and why.

mod parameters;
mod result;
mod scopes;
mod show;
mod who;
mod why;

pub(crate) use result::{Verdict, columns, table};
pub(crate) use scopes::Explanation;
pub(crate) use show::{show, show_outcome};

use std::ffi::OsString;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, anyhow, bail};
use serde::Serialize;

use crate::policy::{self, Policy};
use crate::request::{Entry, Sent, Url, from_curl, from_har, from_raw};
use crate::tell::{self, Format};
use crate::world::{Answer, Outcome, World};
use crate::{args, span};

/// So many requests at the most are played.
const MOST: u32 = 1_000_000;

/// What a policy does to a request, and why
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  tollgate explain policy.json GET 'https://api.example.com/api/v2/jobs/?ids_only=1' -H 'Authorization: Token abc'
  tollgate explain policy.json POST /api/auth/login --from 192.0.2.7 --status 401 --times 8 --every 5s
  tollgate explain policy.json --curl \"curl https://api.example.com/ -H 'Cookie: sid=1'\"
  tollgate explain policy.json --har session.har")]
pub(crate) struct Args {
    /// The policy: a JSON file, Envoy's configuration (.yaml), - for stdin, or `default`
    policy: String,
    /// The method, such as GET
    method: Option<OsString>,
    /// The URL, or a path, which is taken as it is
    url: Option<OsString>,
    /// A header of the request, as for curl; may be given several times
    #[arg(short = 'H', long = "header", value_name = "NAME: VALUE")]
    headers: Vec<OsString>,
    /// The client's address, or `unknown` [default: 192.0.2.1]
    #[arg(long, value_name = "ADDRESS")]
    from: Option<String>,
    /// A claim of a verified JSON Web Token; may be given several times
    #[arg(long = "claim", value_name = "NAME=VALUE")]
    claims: Vec<String>,
    /// A pasted line, `curl …`, in place of method and URL
    #[arg(long, value_name = "LINE", conflicts_with_all = ["method", "raw", "har"])]
    curl: Option<OsString>,
    /// A file with a request as it goes over the wire, in place of method and URL; - for stdin
    #[arg(long, value_name = "FILE", conflicts_with_all = ["method", "har"])]
    raw: Option<String>,
    /// A browser's recording (HTTP archive), played on its own clock, with its own answers
    #[arg(long, value_name = "FILE", conflicts_with_all = ["method", "times", "every", "status", "grpc_status"])]
    har: Option<String>,
    /// Of the recording, explain the request with this number
    #[arg(long, value_name = "N", requires = "har")]
    entry: Option<usize>,
    /// What the application answers: a status, or `none` if it never does
    #[arg(long, value_name = "STATUS", default_value = "200", value_parser = args::status)]
    status: args::Status,
    /// The gRPC status of the answer, 0 to 16
    #[arg(long, value_name = "STATUS", value_parser = clap::value_parser!(u32).range(0..=16))]
    grpc_status: Option<u32>,
    /// How often the request is sent
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=i64::from(MOST)))]
    times: u32,
    /// How long after each other
    #[arg(long, value_name = "SPAN", default_value = "0s", value_parser = span::parse)]
    every: Duration,
}

/// The answer as JSON.
#[derive(Serialize)]
struct Answered<'a> {
    #[serde(flatten)]
    explanation: &'a Explanation,
    #[serde(skip_serializing_if = "Option::is_none")]
    asked: Option<&'static str>,
    decision: &'a Verdict,
    reply: Option<Reply<'a>>,
    /// Of an allowed request, the fields that its client is told.
    fields: Vec<(&'a str, &'a str)>,
    #[serde(skip_serializing_if = "<[Verdict]>::is_empty")]
    requests: &'a [Verdict],
}

#[derive(Serialize)]
struct Reply<'a> {
    status: u16,
    headers: Vec<(&'a str, &'a str)>,
    body: &'a str,
    /// The text that a gRPC call is told, beside the status `RESOURCE_EXHAUSTED`.
    #[serde(skip_serializing_if = "Option::is_none")]
    grpc_message: Option<&'a str>,
}

/// Explains.
///
/// # Errors
/// If the policy or the request cannot be read.
pub(crate) fn run(args: &Args, format: Format) -> anyhow::Result<ExitCode> {
    let policy = Policy::one(&args.policy)?;
    if let Some(file) = &args.har {
        return play_har(args, file, &policy, format);
    }
    let mut sent = request(args)?;
    complete(args, &mut sent)?;
    let answer = match args.status {
        args::Status::Never => Answer::Never,
        args::Status::Number(status) => Answer::Status(status, args.grpc_status),
    };
    let world = World::new(&policy);
    let outcome = world.send(&sent, Duration::ZERO, answer);
    let first = Explanation::of(&world, &sent, &outcome);
    let mut verdicts = vec![Verdict::of(&policy, &outcome, Duration::ZERO)];
    let mut denial: Option<(Verdict, Outcome)> = None;
    for number in 1..args.times {
        let at = args.every.saturating_mul(number);
        let outcome = world.send(&sent, at, answer);
        let verdict = Verdict::of(&policy, &outcome, at);
        if denial.is_none() && !outcome.is_allowed() {
            denial = Some((verdict.clone(), outcome));
        }
        verdicts.push(verdict);
    }
    if format == Format::Json {
        tell::print_json(&answered(&first, &outcome, &verdicts, &policy))?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut out = String::new();
    if let Some(asked) = scopes::asked(policy.config.request_from) {
        tell::line(&mut out, 0, tell::styled(tell::FAINT, format_args!("({asked})")));
    }
    show(&first, &mut out);
    show_outcome(&outcome, &verdicts[0].words(), answer, &mut out);
    if args.times > 1 {
        out.push('\n');
        columns(["request", "at", "decision", ""], &table(&verdicts), &mut out);
        if let Some((verdict, outcome)) = denial.filter(|_| verdicts[0].decision == "allowed") {
            show_outcome(
                &outcome,
                &format!("{} first at {}", verdict.words(), at(&verdict)),
                answer,
                &mut out,
            );
        }
    }
    tell::print(&out)?;
    Ok(ExitCode::SUCCESS)
}

fn at(verdict: &Verdict) -> String {
    span::show(Duration::try_from_secs_f64(verdict.at).unwrap_or_default())
}

fn answered<'a>(
    explanation: &'a Explanation,
    outcome: &'a Outcome,
    verdicts: &'a [Verdict],
    policy: &Policy,
) -> Answered<'a> {
    let pairs = |headers: &'a [(&'static str, String)]| {
        headers.iter().map(|(name, value)| (*name, value.as_str())).collect::<Vec<_>>()
    };
    let reply = outcome.reply.as_ref();
    let reply = reply.map(|reply| Reply {
        status: reply.status,
        headers: pairs(&reply.headers),
        body: &reply.body,
        grpc_message: outcome.is_grpc.then_some(&reply.grpc_message),
    });
    Answered {
        explanation,
        asked: scopes::asked(policy.config.request_from),
        decision: &verdicts[0],
        fields: if reply.is_none() { pairs(&outcome.fields) } else { Vec::new() },
        reply,
        requests: if verdicts.len() > 1 { verdicts } else { &[] },
    }
}

/// The request that the arguments tell, without its headers.
fn request(args: &Args) -> anyhow::Result<Sent> {
    if let Some(line) = &args.curl {
        return from_curl(line.as_encoded_bytes()).map_err(|error| anyhow!("--curl: {error}"));
    }
    if let Some(file) = &args.raw {
        let bytes = policy::read(file).map_err(|error| anyhow!("{file}: {error}"))?;
        return from_raw(&bytes).map_err(|error| anyhow!("{file}: {error}"));
    }
    let (method, url) = match (&args.method, &args.url) {
        (Some(method), Some(url)) => (method.as_encoded_bytes(), url.as_encoded_bytes()),
        (Some(url), None) if url.as_encoded_bytes().contains(&b'/') => (&b"GET"[..], url.as_encoded_bytes()),
        _ => bail!("which request? Say METHOD URL, or --curl, --raw or --har; see `tollgate explain --help`"),
    };
    Url::parse(url).and_then(|url| Sent::new(method, url)).map_err(|error| anyhow!(error))
}

/// Adds what the arguments say besides.
fn complete(args: &Args, sent: &mut Sent) -> anyhow::Result<()> {
    for header in &args.headers {
        sent.put_line(header.as_encoded_bytes()).map_err(|error| anyhow!("--header: {error}"))?;
    }
    if let Some(address) = &args.from {
        sent.come_from(address).map_err(|error| anyhow!("--from: {error}"))?;
    }
    for claim in &args.claims {
        sent.put_claim(claim).map_err(|error| anyhow!("--claim: {error}"))?;
    }
    Ok(())
}

/// One request of a recording, as JSON.
#[derive(Serialize)]
struct Played {
    entry: usize,
    request: String,
    status: Option<u16>,
    #[serde(flatten)]
    verdict: Verdict,
}

fn play_har(args: &Args, file: &str, policy: &Policy, format: Format) -> anyhow::Result<ExitCode> {
    let bytes = policy::read(file).map_err(|error| anyhow!("{file}: {error}"))?;
    let (entries, skipped) = from_har(&bytes).map_err(|error| anyhow!("{file}: {error}"))?;
    if entries.is_empty() {
        bail!("{file}: there is no request of HTTP in it");
    }
    let world = World::new(policy);
    let mut played = Vec::new();
    for Entry { number, at, mut sent, status } in entries {
        complete(args, &mut sent)?;
        let answer = status.map_or(Answer::Never, |status| Answer::Status(status, None));
        let outcome = world.send(&sent, at, answer);
        let verdict = Verdict::of(policy, &outcome, at);
        if args.entry == Some(number) {
            let explanation = Explanation::of(&world, &sent, &outcome);
            if format == Format::Json {
                tell::print_json(&answered(&explanation, &outcome, &[verdict], policy))?;
            } else {
                let mut out = String::new();
                show(&explanation, &mut out);
                show_outcome(&outcome, &verdict.words(), answer, &mut out);
                tell::print(&out)?;
            }
            return Ok(ExitCode::SUCCESS);
        }
        played.push(Played { entry: number, request: sent.line(), status, verdict });
    }
    if let Some(number) = args.entry {
        return Err(anyhow!("there is no request {number} of HTTP")).with_context(|| file.to_owned());
    }
    if format == Format::Json {
        tell::print_json(&serde_json::json!({ "requests": played, "skipped": skipped }))?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut out = String::new();
    let rows: Vec<[String; 4]> = played
        .iter()
        .map(|one| [one.entry.to_string(), at(&one.verdict), one.verdict.words(), one.request.clone()])
        .collect();
    columns(["entry", "at", "decision", "request"], &rows, &mut out);
    let denied = played.iter().filter(|one| one.verdict.decision == "denied").count();
    out.push('\n');
    tell::line(
        &mut out,
        0,
        format_args!("{} requests, {denied} denied; --entry N explains one", played.len()),
    );
    if skipped > 0 {
        tell::line(&mut out, 0, format_args!("{skipped} entries left out: they are no requests of HTTP"));
    }
    tell::print(&out)?;
    Ok(ExitCode::SUCCESS)
}
