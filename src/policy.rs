//! The rules, and what a request is charged by them.

use std::time::Duration;

use crate::client::{Client, ClientRules};
use crate::limit::Limit;
use crate::scope::{Count, Counted, Matcher, Reading, Scope, address_fingerprint};
use crate::store::{Charge, CounterId, NO_SCOPE, Secret, Stays};

/// The rules that requests are judged by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// How clients are told apart.
    pub client: ClientRules,
    /// When a credential counts.
    pub trust: Trust,
    /// Requests that fall under no scope at all.
    pub exempt: Vec<Matcher>,
    /// The scopes, in the order in which they were written. Those that are off are not among them.
    pub scopes: Vec<Scope>,
}

/// When a credential makes its bearer a client of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trust {
    /// Always.
    Any,
    /// Once the application has answered a request that presents it with a success.
    Upstream {
        /// How long that counts from the last success: as long as the policy says, and as any counter of the client can
        /// matter. Else a client would be anonymous again while its counters are full.
        lasts: Duration,
        /// The requests whose success says so: those for which the application insists on a credential.
        proof: Matcher,
        /// How many credentials can become known from one address.
        new_per_address: Limit,
    },
}

impl Policy {
    /// Whether the request falls under no scope whatever.
    #[must_use]
    pub fn exempts(&self, client: &Client) -> bool {
        self.exempt.iter().any(|exempt| exempt.matches(client, Reading::Certain))
    }

    /// The charges for a request of this client: one for each rate of each scope that it falls under, those
    /// of one counted client together. `counted` says what is known already of whom the keys count.
    #[must_use]
    pub fn plan<'p>(&'p self, client: &Client, secret: &Secret, mut counted: Counted<'p>) -> Vec<Charge> {
        let mut charges = Vec::with_capacity(self.scopes.len());
        for (index, scope) in self.scopes.iter().enumerate() {
            if !scope.matcher.matches(client, Reading::Possible) {
                continue;
            }
            let Some(whom) = scope.key.client(client, secret, &mut counted) else { continue };
            // Behind those of the same client, of which there are few.
            let behind = charges.iter().rposition(|charge: &Charge| charge.client == whom);
            let place = behind.map_or(charges.len(), |last| last + 1);
            for (number, (limit, counter)) in scope.limits.iter().zip(&scope.counters).enumerate() {
                let charge = Charge {
                    client: whom,
                    counter: *counter,
                    limit: *limit,
                    cost: scope.cost,
                    scope: index,
                    enforced: scope.enforced,
                    stays: Stays::Always,
                };
                charges.insert(place + number, charge);
            }
        }
        charges
    }

    /// The charge for a credential that is not known, if this request may prove it, to its address. It denies nothing: while it is
    /// over its limit, nothing is proved there.
    #[must_use]
    pub fn charge_for_new(&self, client: &Client, secret: &Secret) -> Option<Charge> {
        let Trust::Upstream { new_per_address: limit, .. } = self.trust else { return None };
        Some(Charge {
            client: address_fingerprint(client, secret),
            // No scope has this name.
            counter: CounterId::of("", limit),
            limit,
            cost: 1,
            scope: NO_SCOPE,
            enforced: false,
            stays: Stays::IfNew,
        })
    }

    /// Which of a scope's requests count, once they have been answered.
    #[must_use]
    pub fn count(&self, scope: usize) -> &Count {
        self.scopes.get(scope).map_or(&Count::All, |scope| &scope.count)
    }

    /// The longest time for which a counter of a client with a credential can matter after it is charged.
    #[must_use]
    pub fn longest_memory_of_credentials(&self) -> Duration {
        let scopes = self.scopes.iter().filter(|scope| scope.key.minds_credentials());
        scopes.flat_map(|scope| &scope.limits).map(Limit::memory).max().unwrap_or_default()
    }

    /// Whether it makes a difference to any request whether its credential is worth anything.
    #[must_use]
    pub fn minds_credentials(&self) -> bool {
        let matchers = self.scopes.iter().map(|scope| &scope.matcher).chain(&self.exempt);
        !self.scopes.is_empty()
            && (matchers.into_iter().any(Matcher::minds_credentials)
                || self.scopes.iter().any(|scope| scope.key.minds_credentials()))
    }
}
