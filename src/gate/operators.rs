//! What operators do to clients, as it meets requests.

use std::time::Duration;

use super::Gate;
use crate::client::Client;
use crate::decision::Decision;
use crate::scope::{address_fingerprint, credential_fingerprint};
use crate::store::{Acts, Counters, Events, Fingerprint, Keeper, Plan};
use crate::time::Time;

impl<T: Counters> Gate<T> {
    /// What operators have done. If it cannot be read it is as if nothing was: the counters, which stand beside it, say that they cannot be
    /// reached.
    pub fn acts(&self, events: &mut Events) -> Acts {
        self.counters.acts(events).unwrap_or_default()
    }

    /// As whom a request can be blocked, whatever the policy counts: its address, and each credential that it presents.
    pub fn identities(&self, client: &Client) -> Vec<Fingerprint> {
        let mut identities = vec![address_fingerprint(client, &self.secret)];
        let credentials = client.credential().into_iter().chain(client.could_be().iter().map(AsRef::as_ref));
        identities.extend(credentials.map(|credential| credential_fingerprint(credential, &self.secret)));
        identities
    }

    /// The decision about a request with these identities, if one of them, or of the clients that the plan counts, is blocked.
    pub fn block(&self, acts: &Acts, identities: &[Fingerprint], plan: &Plan, now: Time) -> Option<Decision> {
        let counted =
            [true, false].into_iter().flat_map(|proved| plan.charges(proved)).map(|charge| charge.client);
        let clients = identities.iter().copied().chain(counted);
        let blocked = clients.filter_map(|client| Some((acts.blocked_for(client, now)?, client)));
        blocked.max().map(|(left, client)| Decision::blocked(client, left))
    }

    /// Copies what stands in Redis to where all workers of this proxy see it, if that is news. If it cannot be written now it is heard
    /// again in a second.
    pub fn hear(&self, keeper: Keeper, number: u64, blocked: &[(Fingerprint, Duration)], now: Time) {
        let _ = self.counters.hear(keeper, number, blocked, now);
    }
}
