//! An ordinary worker that polls: does the policy let it work?

use std::time::Duration;

use super::witness;
use crate::policy::Policy;
use crate::request::{Sent, Url};
use crate::world::{Answer, World};

/// What it asks for. The application redirects it to the same with a slash behind the path.
pub(super) const TARGET: &str = "/api/v2/jobs?ids_only=1&incomplete_only=1";
const WITH_SLASH: &str = "/api/v2/jobs/?ids_only=1&incomplete_only=1";

/// So many processes share a credential and an address, and each polls as often.
const PROCESSES: u32 = 2;
const EVERY: Duration = Duration::from_secs(5);
/// So many requests come from them in a minute, the redirected ones included.
pub(super) const A_MINUTE: u32 = 2 * PROCESSES * 60 / 5;

/// As long as a day of polls under twenty limits takes: what a client's counters take grows as the square of their number.
const MOST_WORK: u32 = 20 * 20 * 24 * 3_600 / 5;

/// A poll that was denied.
pub(super) struct Denied {
    pub(super) scopes: Vec<String>,
    pub(super) after: Duration,
}

/// Lets it poll for as long as the longest window, a day at the most.
pub(super) fn play(policy: &Policy) -> Option<Denied> {
    let limits = || policy.config.policy.scopes.iter().flat_map(|scope| &scope.limits);
    let longest = limits().map(tollgate::limit::Limit::memory).max()?.min(Duration::from_hours(24));
    let count = u32::try_from(limits().count()).unwrap_or(u32::MAX);
    let longest = longest.min(EVERY * (MOST_WORK / count.saturating_mul(count)));
    let polls =
        [(TARGET, 301), (WITH_SLASH, 200)].map(|(target, status)| Some((poll(policy, target)?, status)));
    let world = World::new(policy);
    let mut now = Duration::ZERO;
    while now <= longest {
        for (poll, status) in polls.iter().flatten().cycle().take(2 * PROCESSES as usize) {
            let outcome = world.send(poll, now, Answer::Status(*status, None));
            if !outcome.is_allowed() {
                let verdict = crate::explain::Verdict::of(policy, &outcome, now);
                return Some(Denied { scopes: verdict.denied_by, after: now });
            }
        }
        now += EVERY;
    }
    None
}

fn poll(policy: &Policy, target: &str) -> Option<Sent> {
    let mut sent = Sent::new(b"GET", Url::parse(target.as_bytes()).ok()?).ok()?;
    sent.host = b"api.example.com".to_vec();
    witness::present_credential(policy, &mut sent);
    Some(sent)
}
