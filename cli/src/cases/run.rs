//! Tests at work: their requests through the gate, and what was expected of them.

use std::time::Duration;

use serde::Serialize;

use super::file::{Answered, Expected, List, Step, Test, Text};
use crate::args::Status;
use crate::explain::{Explanation, Verdict, show, show_outcome};
use crate::policy::Policy;
use crate::request::{Sent, Url, from_curl};
use crate::world::{Answer, Outcome, World};
use crate::{span, tell};

/// So many requests a step sends at the most.
const MOST: u32 = 1_000_000;

/// Why a test has failed.
#[derive(Serialize)]
pub(super) struct Failure {
    /// Which step, from 1.
    pub(super) step: usize,
    /// Which of its requests, from 1.
    pub(super) request: u32,
    /// When, since the test began.
    pub(super) at: String,
    /// What was expected and what came, line by line.
    pub(super) differences: Vec<String>,
    /// What `explain` says of the request.
    pub(super) explanation: Explanation,
    pub(super) decision: Verdict,
    #[serde(skip)]
    pub(super) shown: String,
}

/// Runs a test. `None` if all is as expected.
///
/// # Errors
/// If a step cannot be played; in words.
pub(super) fn run(policy: &Policy, test: &Test) -> Result<Option<Failure>, String> {
    let world = World::new(policy);
    let mut now = Duration::ZERO;
    for (index, step) in test.steps.iter().enumerate() {
        let wrong = |error: String| format!("step {}: {error}", index + 1);
        let played = play(&world, test, step, &mut now).map_err(wrong)?;
        if let Some(failure) = played {
            return Ok(Some(Failure { step: index + 1, ..failure }));
        }
    }
    Ok(None)
}

/// One request of a step, sent.
struct Played {
    number: u32,
    at: Duration,
    outcome: Outcome,
    verdict: Verdict,
}

fn play(world: &World, test: &Test, step: &Step, now: &mut Duration) -> Result<Option<Failure>, String> {
    let policy = world.policy;
    let sent = sent(test, step)?;
    let answer = answer(step.status, step.grpc_status)?;
    let start = match (&step.at, &step.after) {
        (Some(_), Some(_)) => return Err("say either `at` or `after`".to_owned()),
        (Some(at), None) if at.0 < *now => {
            return Err(format!(
                "`at` is {}, but the request before was sent at {}",
                span::show(at.0),
                span::show(*now)
            ));
        }
        (Some(at), None) => at.0,
        (None, Some(after)) => now.saturating_add(after.0),
        (None, None) => *now,
    };
    let times = step.times.unwrap_or(1);
    if !(1..=MOST).contains(&times) {
        return Err(format!("`times` is {times}; expected 1 to {MOST}"));
    }
    let every = step.every.map_or(Duration::ZERO, |every| every.0);
    let expected = step.expect.as_ref().map(|expect| expect.0.clone()).unwrap_or_default();
    check_names(policy, &expected)?;
    let (mut allowed, mut denied) = (0, 0);
    let mut unexpected: Option<Played> = None;
    let mut last: Option<Played> = None;
    for number in 0..times {
        let at = start.saturating_add(every.saturating_mul(number));
        *now = at;
        let outcome = world.send(&sent, at, answer);
        let verdict = Verdict::of(policy, &outcome, at);
        if outcome.is_allowed() {
            allowed += 1;
        } else {
            denied += 1;
        }
        let is_other = expected.decision.is_some_and(|decision| decision.text() != verdict.decision);
        let played = Played { number: number + 1, at, outcome, verdict };
        if is_other && unexpected.is_none() {
            unexpected = Some(played);
        } else {
            last = Some(played);
        }
    }
    let mut differences = Vec::new();
    let mut differs = |what: &str, expected: &str, found: &str| {
        if expected != found {
            differences.push(format!("{what}: expected {expected}, found {found}"));
        }
    };
    if let Some(played) = &unexpected {
        let decision = expected.decision.map_or("", super::file::Decision::text);
        differs("decision", decision, &played.verdict.words());
    }
    for (what, wanted, found) in [("allowed", expected.allowed, allowed), ("denied", expected.denied, denied)]
    {
        if let Some(wanted) = wanted {
            differs(what, &of(wanted, times), &of(found, times));
        }
    }
    if let (None, Some(played)) = (&unexpected, &last) {
        last_differs(&expected, played, &mut differs);
    }
    if differences.is_empty() {
        return Ok(None);
    }
    Ok(unexpected.or(last).map(|played| {
        let explanation = Explanation::of(world, &sent, &played.outcome);
        failure(played, explanation, differences, answer)
    }))
}

fn of(count: u32, times: u32) -> String {
    format!("{count} of {times}")
}

fn failure(played: Played, explanation: Explanation, differences: Vec<String>, answer: Answer) -> Failure {
    let Played { number, at, outcome, verdict } = played;
    let mut shown = String::new();
    show(&explanation, &mut shown);
    show_outcome(&outcome, &verdict.words(), answer, &mut shown);
    Failure {
        step: 0,
        request: number,
        at: span::show(at),
        differences,
        explanation,
        decision: verdict,
        shown,
    }
}

/// What is said of a step's last request.
fn last_differs(expected: &Expected, last: &Played, differs: &mut impl FnMut(&str, &str, &str)) {
    let verdict = &last.verdict;
    let mut set = |what: &str, wanted: &Option<List<String>>, found: Vec<String>| {
        if let Some(wanted) = wanted {
            differs(what, &sorted(wanted.0.clone()), &sorted(found));
        }
    };
    set("denied by", &expected.by, verdict.denied_by.clone());
    set("in shadow mode denied by", &expected.shadowed_by, verdict.shadowed_by.clone());
    set("scopes", &expected.scopes, verdict.remaining.keys().cloned().collect());
    let show = |number: Option<u64>| number.map_or_else(|| "none".to_owned(), |number| number.to_string());
    if expected.retry_after.is_some() {
        differs("retry_after", &show(expected.retry_after), &show(verdict.retry_after));
    }
    for (scope, wanted) in &expected.remaining {
        let found = verdict.remaining.get(scope).map(|left| u64::from(*left));
        differs(&format!("remaining of {scope}"), &wanted.to_string(), &show(found));
    }
    let reply = last.outcome.reply.as_ref();
    if let Some(status) = expected.status {
        differs("status", &status.to_string(), &show(reply.map(|reply| reply.status.into())));
    }
    if let Some(body) = &expected.body {
        let found = reply.map_or("none", |reply| reply.body.as_str());
        differs("body", &tell::clean(body), &tell::clean(found));
    }
    let fields = reply.map_or(&last.outcome.fields, |reply| &reply.headers);
    for (name, Text(wanted)) in &expected.headers {
        let found = fields
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str());
        differs(&tell::clean(name), &tell::clean(wanted), &tell::clean(found.unwrap_or("none")));
    }
}

fn sorted(mut names: Vec<String>) -> String {
    names.sort();
    names.dedup();
    if names.is_empty() { "none".to_owned() } else { tell::clean(&names.join(", ")) }
}

/// A scope that is misspelt would never deny anything.
fn check_names(policy: &Policy, expected: &Expected) -> Result<(), String> {
    let scopes = &policy.config.policy.scopes;
    let lists = [&expected.by, &expected.shadowed_by, &expected.scopes].into_iter().flatten();
    let names = lists.flat_map(|list| &list.0).chain(expected.remaining.keys());
    for name in names {
        if !scopes.iter().any(|scope| scope.name == *name) {
            let known: Vec<String> = scopes.iter().map(|scope| format!("`{}`", scope.name)).collect();
            let known = if known.is_empty() { "none".to_owned() } else { tell::and(&known) };
            return Err(format!("there is no scope `{}` that is on; there are: {known}", tell::clean(name)));
        }
    }
    Ok(())
}

fn answer(status: Option<Answered>, grpc: Option<u32>) -> Result<Answer, String> {
    if let Some(grpc) = grpc.filter(|grpc| *grpc > 16) {
        return Err(format!("`grpc_status` is {grpc}; expected 0 to 16"));
    }
    Ok(match status.map(|Answered(status)| status) {
        None => Answer::Status(200, grpc),
        Some(Status::Number(status)) => Answer::Status(status, grpc),
        Some(Status::Never) => Answer::Never,
    })
}

fn sent(test: &Test, step: &Step) -> Result<Sent, String> {
    let mut sent = match (&step.request, &step.curl) {
        (Some(line), None) => {
            let (method, url) = line.trim().split_once(' ').unwrap_or(("GET", line));
            Sent::new(method.as_bytes(), Url::parse(url.trim().as_bytes())?)?
        }
        (None, Some(line)) => from_curl(line.as_bytes())?,
        _ => return Err("say which request: `request: GET /path`, or `curl: curl …`".to_owned()),
    };
    if let Some(host) =
        step.host.as_ref().or(test.host.as_ref()).filter(|_| sent.host.is_empty() || step.host.is_some())
    {
        sent.put(b"host", host.as_bytes())?;
    }
    if let Some(address) = step.from.as_ref().or(test.from.as_ref()) {
        sent.come_from(address)?;
    }
    let own = |name: &str| step.headers.keys().any(|known| known.eq_ignore_ascii_case(name));
    let inherited = test.headers.iter().filter(|(name, _)| !own(name));
    for (name, values) in inherited.chain(&step.headers) {
        for Text(value) in &values.0 {
            sent.put(name.as_bytes(), value.as_bytes())?;
        }
    }
    let inherited = test.claims.iter().filter(|(name, _)| !step.claims.contains_key(*name));
    for (name, Text(value)) in inherited.chain(&step.claims) {
        sent.claims.push((name.clone(), value.clone()));
    }
    Ok(sent)
}
