//! From what was learned to a policy: every scope in shadow, and a comment on each.

use super::peaks::{NAMES, WINDOWS};
use super::survey::{Endpoint, Group, Survey};
use crate::import::Document;
use crate::output::{number, share};
use crate::report::Curve;

/// A scope, and why it is as it is.
#[derive(Debug)]
pub(super) struct Proposal {
    pub(super) name: String,
    pub(super) scope: Document,
    /// Each client's highest rate, for 10 s, a minute and an hour: the median, the ninth tenth, the last hundredth, the most.
    pub(super) ranks: [[u32; 4]; 3],
    /// For the same windows, how many clients go beyond each limit that one might choose.
    pub(super) curves: Vec<Curve>,
    pub(super) rates: Vec<String>,
    pub(super) clients: usize,
    pub(super) requests: u64,
    /// Clients that would have met the limits, the busiest first.
    pub(super) hit: Vec<String>,
    pub(super) comment: String,
}

/// What comes out.
#[derive(Debug)]
pub(super) struct Suggestion {
    pub(super) policy: Document,
    pub(super) proposals: Vec<Proposal>,
    pub(super) notes: Vec<String>,
}

/// Endpoints with fewer requests, of all by the thousand, get no scope of their own.
const WORTH: u64 = 10;
const MOST_SCOPES: usize = 5;

/// The policy that a log suggests; `None` if it has no requests.
pub(super) fn propose(survey: &Survey) -> Option<Suggestion> {
    if survey.requests == 0 {
        return None;
    }
    let mut proposals = vec![ceiling(survey)];
    let has_users = survey.unattributed * 2 < survey.requests;
    if has_users {
        let fields = [("match", client("anonymous")), ("key", Document::text("address"))];
        proposals.push(proposal(
            "anon",
            &survey.anonymous,
            survey,
            2,
            fields.to_vec(),
            "whoever has no credential".into(),
        ));
    }
    let fields = [("key", Document::texts(["credential", "address"]))];
    let words =
        if has_users { "each client" } else { "each address, since the log does not tell users apart" };
    proposals.push(proposal("user", &survey.by_client, survey, 2, fields.to_vec(), words.into()));
    logins(survey, &mut proposals);
    endpoints(survey, &mut proposals);
    bots(survey, &mut proposals);
    proposals.retain(|proposal| proposal.clients > 0);
    let mut notes = Vec::new();
    let mut fields = Vec::new();
    let proof = proofs(survey);
    if proof.is_empty() {
        if has_users {
            notes.push("no path was seen that refuses whoever has no credential: if some do, name them in `client.credential.proof`".into());
        }
    } else {
        notes.push(format!(
            "{} refused all that had no credential, and answered others: a success there proves one",
            proof.join(", ")
        ));
        let proof = Document::object([("path", Document::texts(proof))]);
        fields.push(("client", Document::object([("credential", Document::object([("proof", proof)]))])));
    }
    fields.push((
        "scopes",
        Document::Object(proposals.iter().map(|it| (it.name.clone(), it.scope.clone())).collect()),
    ));
    pollers(survey, &mut notes);
    let clients = survey.by_address.clients.len() + survey.by_client.clients.len();
    if clients > 16_000 {
        let capacity = (clients as u64 * 4).next_power_of_two().min(1 << 24);
        fields.push(("store", Document::object([("capacity", Document::Number(capacity))])));
    }
    Some(Suggestion { policy: Document::policy(fields), proposals, notes })
}

fn client(kind: &str) -> Document {
    Document::object([("client", Document::text(kind))])
}

/// A ceiling is for what nobody does: twice what the busiest address has done.
fn ceiling(survey: &Survey) -> Proposal {
    let fields = [("key", Document::text("address"))];
    let words =
        "a ceiling, whatever credentials come from an address: twice the busiest one's peak".to_owned();
    let mut proposal = proposal("address", &survey.by_address, survey, 1, fields.to_vec(), words);
    let most = proposal.ranks[1][3].saturating_mul(2);
    set_rates(&mut proposal, vec![format!("{}/min", nice(most.max(60)))]);
    proposal.hit.clear();
    proposal
}

/// Half as much again as what all but one in a hundred do, for a minute, and for so many windows in all. Of fewer than a hundred
/// clients that would be what the busiest does: there, thrice what nine in ten do is enough.
fn proposal(
    name: &str,
    group: &Group,
    survey: &Survey,
    windows: usize,
    fields: Vec<(&'static str, Document)>,
    comment: String,
) -> Proposal {
    let mut ranks = [[0; 4]; 3];
    let (mut rates, mut hit, mut minute) = (Vec::new(), Vec::new(), 0);
    let mut curves = Vec::new();
    for (window, ranks) in ranks.iter_mut().enumerate() {
        let all = group.ranks(window);
        let at = |hundredths: usize| {
            let place = (all.len() * hundredths).div_ceil(100).saturating_sub(1);
            all.get(place).map_or(0, |(most, _)| *most)
        };
        *ranks = [at(50), at(90), at(99), at(100)];
        // As far as the ceiling goes.
        let widest = nice(at(100).saturating_mul(2).max(60));
        curves.push(Curve::of(all.iter().map(|(most, _)| *most).collect(), widest));
        let [_, most_do, nearly_all_do, _] = *ranks;
        let usual =
            if all.len() < 100 { nearly_all_do.min(most_do.saturating_mul(3)) } else { nearly_all_do };
        let limit = nice(usual.saturating_add(usual / 2).max(2));
        match window {
            1 => minute = limit,
            // A limit for an hour that the one for a minute implies says nothing; nor does one from a shorter log.
            2 if windows > 1 && limit / 60 < minute && is_long_enough(survey, window) => {}
            _ => continue,
        }
        rates.push(format!("{limit}/{}", NAMES[window]));
        for (_, client) in all.iter().rev().take_while(|(most, _)| *most > limit) {
            let name = survey.name(*client);
            if !hit.contains(&name) {
                hit.push(name);
            }
        }
    }
    let (scope, clients, requests) = (Document::object(fields), group.clients.len(), group.requests);
    let mut proposal = Proposal {
        name: name.into(),
        scope,
        ranks,
        curves,
        rates: Vec::new(),
        clients,
        requests,
        hit,
        comment,
    };
    set_rates(&mut proposal, rates);
    proposal
}

/// Puts the rates in front of a scope's other fields, and the shadow behind them.
fn set_rates(proposal: &mut Proposal, rates: Vec<String>) {
    let rate = if let [one] = &rates[..] { Document::text(one) } else { Document::texts(rates.clone()) };
    let Document::Object(fields) = &proposal.scope else { return };
    let others = fields.iter().filter(|(name, _)| name != "rate" && name != "mode").cloned();
    let mut fields = vec![("rate".to_owned(), rate)];
    fields.extend(others);
    fields.push(("mode".to_owned(), Document::text("shadow")));
    proposal.scope = Document::Object(fields);
    proposal.rates = rates;
}

/// Where credentials are guessed, failures are what counts.
fn logins(survey: &Survey, proposals: &mut Vec<Proposal>) {
    let is_login = |(_, endpoint): &(&String, &Endpoint)| {
        endpoint.posts >= 20 && endpoint.posts_refused * 20 >= endpoint.posts
    };
    for (path, endpoint) in survey.endpoints.iter().filter(is_login).take(3) {
        let statuses = Document::List(vec![Document::Number(401), Document::Number(403)]);
        let fields = vec![
            (
                "match",
                Document::object([
                    ("method", Document::text("POST")),
                    ("path", Document::text(path.as_str())),
                ]),
            ),
            ("key", Document::text("address")),
            ("count", Document::object([("status", statuses)])),
        ];
        let words = format!(
            "failures at {path}, where {} of posts were refused: a few a minute are honest",
            share(endpoint.posts_refused, endpoint.posts)
        );
        let mut proposal =
            proposal(&scope_name("failed", path, proposals), &endpoint.all, survey, 1, fields, words);
        // These are the rates of all that is asked there, and not of failures.
        proposal.curves.clear();
        set_rates(&mut proposal, vec!["10/min".into(), "60/h".into()]);
        proposal.hit.clear();
        proposals.push(proposal);
    }
}

/// The endpoints with most requests, if they are more than a few.
fn endpoints(survey: &Survey, proposals: &mut Vec<Proposal>) {
    let mut busiest: Vec<(&String, &Endpoint)> = survey.endpoints.iter().collect();
    busiest.retain(|(path, endpoint)| {
        *path != "/**"
            && endpoint.all.requests * 1_000 >= survey.requests * WORTH
            && endpoint.all.clients.len() >= 2
    });
    busiest.sort_by_key(|(_, endpoint)| std::cmp::Reverse(endpoint.all.requests));
    for (path, endpoint) in busiest.into_iter().take(MOST_SCOPES) {
        let fields = vec![
            ("match", Document::object([("path", Document::text(path.as_str()))])),
            ("key", Document::texts(["credential", "address"])),
        ];
        let words = format!("{path}, {} of all requests", share(endpoint.all.requests, survey.requests));
        proposals.push(proposal(&scope_name("", path, proposals), &endpoint.all, survey, 2, fields, words));
    }
}

fn bots(survey: &Survey, proposals: &mut Vec<Proposal>) {
    let mut families: Vec<(&String, &Group)> = survey.crawlers.iter().collect();
    families.sort_by_key(|(name, group)| (std::cmp::Reverse(group.requests), name.as_str()));
    if families.is_empty() {
        return;
    }
    let shown: Vec<String> = families
        .iter()
        .take(5)
        .map(|(name, group)| format!("{name} {}", share(group.requests, survey.requests)))
        .collect();
    let mut all = Group::default();
    for (id, (_, group)) in (0..).zip(&families) {
        all.requests += group.requests;
        all.clients.extend(group.clients.get(&0).cloned().map(|peaks| (id, peaks)));
    }
    let fields = vec![("match", client("bot")), ("key", Document::text("bot"))];
    let mut proposal =
        proposal("bots", &all, survey, 1, fields, format!("each crawler: {}", shown.join(", ")));
    // These are families, and not of the clients that have names.
    proposal.hit.clear();
    proposals.push(proposal);
}

/// Where the application insists on a credential.
fn proofs(survey: &Survey) -> Vec<String> {
    let insists = |endpoint: &Endpoint| {
        endpoint.accepted_anonymous == 0 && endpoint.refused_anonymous > 0 && endpoint.accepted_users > 0
    };
    survey
        .endpoints
        .iter()
        .filter(|(_, endpoint)| insists(endpoint))
        .map(|(path, _)| path.clone())
        .take(20)
        .collect()
}

/// Clients that ask at regular intervals: the first to be hurt by a limit.
fn pollers(survey: &Survey, notes: &mut Vec<String>) {
    for (path, endpoint) in &survey.endpoints {
        let mut intervals: Vec<f64> =
            endpoint.all.clients.values().filter_map(super::peaks::Peaks::interval).collect();
        if intervals.is_empty() {
            continue;
        }
        intervals.sort_by(f64::total_cmp);
        let fastest = intervals.first().copied().unwrap_or_default();
        let typical = intervals.get(intervals.len() / 2).copied().unwrap_or_default();
        let who = if intervals.len() == 1 { "client polls" } else { "clients poll" };
        notes.push(format!(
            "{} {who} {path} at regular intervals, mostly every {typical:.1} s, the fastest every {fastest:.1} s: a limit below {:.0} a \
             minute stops it",
            number(intervals.len() as u64),
            (60.0 / fastest).ceil()
        ));
    }
    notes.truncate(12);
}

/// A name for a scope that none has.
fn scope_name(prefix: &str, path: &str, taken: &[Proposal]) -> String {
    let words = path.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    let words: Vec<&str> = (!prefix.is_empty()).then_some(prefix).into_iter().chain(words).collect();
    let plain: String =
        if words.is_empty() { "root".into() } else { words.join("_").chars().take(56).collect() };
    let is_free = |name: &String| !taken.iter().any(|known| known.name == *name);
    let numbered = (2..1_000).map(|number| format!("{plain}-{number}"));
    std::iter::once(plain.clone()).chain(numbered).find(is_free).unwrap_or(plain)
}

/// The next number that people would write.
pub(super) fn nice(least: u32) -> u32 {
    const STEPS: [u32; 10] = [10, 12, 15, 20, 25, 30, 40, 50, 60, 80];
    if least <= 10 {
        return least;
    }
    let mut scale = 1_u32;
    loop {
        for step in STEPS {
            let Some(rounded) = step.checked_mul(scale) else { return least };
            if rounded >= least {
                return rounded;
            }
        }
        let Some(larger) = scale.checked_mul(10) else { return least };
        scale = larger;
    }
}

/// How much a number of clients says.
pub(super) const fn confidence(clients: usize) -> &'static str {
    match clients {
        0..30 => "low",
        30..300 => "fair",
        _ => "good",
    }
}

/// Whether a log is long enough for a window.
pub(super) fn is_long_enough(survey: &Survey, window: usize) -> bool {
    let length = survey.last - survey.first.unwrap_or(survey.last);
    length / 1_000_000 >= WINDOWS[window]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_that_people_would_write() {
        assert_eq!([1, 10, 11, 13, 81, 100, 101, 1_234].map(nice), [1, 10, 12, 15, 100, 100, 120, 1_500]);
        assert_eq!(nice(u32::MAX), u32::MAX);
    }
}
