//! The highest rate of each client, for each limit: what `--report` draws. Denied requests count, too: that is what was asked for.

use std::collections::HashMap;

use tollgate::decision::Decision;
use tollgate::limit::{Limit, Verdict};
use tollgate::policy::Policy;
use tollgate::store::Fingerprint;

use super::request::Entry;
use super::tally::ByFingerprint;
use crate::report::Timeline;
use crate::ring::Ring;

/// What is gathered for a page. Memory grows with the clients, not with the log.
pub(super) struct Peaks {
    pub(super) timeline: Timeline,
    pub(super) limits: Vec<OfLimit>,
}

/// One limit of a scope.
pub(super) struct OfLimit {
    pub(super) scope: usize,
    pub(super) limit: Limit,
    clients: HashMap<Fingerprint, Ring, ByFingerprint>,
}

impl Peaks {
    pub(super) fn new(policy: &Policy) -> Self {
        let scopes = policy.scopes.iter().enumerate();
        let limits = scopes.flat_map(|(place, scope)| scope.limits.iter().map(move |limit| (place, *limit)));
        Self {
            timeline: Timeline::default(),
            limits: limits
                .map(|(scope, limit)| OfLimit { scope, limit, clients: HashMap::default() })
                .collect(),
        }
    }

    /// One request was judged.
    pub(super) fn count(&mut self, time: u64, entry: &Entry, decision: &Decision, policy: &Policy) {
        let is_shadowed = decision.is_allowed()
            && decision.limits.iter().any(|judged| matches!(judged.verdict, Verdict::Denied { .. }));
        self.timeline.count(time, !decision.is_allowed(), is_shadowed);
        for judged in &decision.limits {
            // An answer that this scope does not count leaves the client's rate as it is.
            if entry.status != 0 && !policy.count(judged.scope).counts(entry.status, entry.grpc) {
                continue;
            }
            let same = |it: &&mut OfLimit| it.scope == judged.scope && it.limit == judged.limit;
            if let Some(of_limit) = self.limits.iter_mut().find(same) {
                let window = u64::from(judged.limit.rate.window_secs());
                of_limit.clients.entry(judged.client).or_default().count(time, window);
            }
        }
    }
}

impl OfLimit {
    /// Of each client the most requests in a window.
    pub(super) fn peaks(&self) -> Vec<u32> {
        self.clients.values().map(Ring::most).collect()
    }
}
