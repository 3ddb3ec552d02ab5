//! All limits that are in force, and who is counted by them.

use std::time::Duration;

use crate::client::typed_credential;
use crate::config::Config;
use crate::limit::{Limit, Verdict};
use crate::redis::Settings;
use crate::scope::{Scope, credential_fingerprint, network_fingerprint};
use crate::store::{CounterId, Fingerprint, Secret, Watched};

use super::Whom;

/// A policy in force.
#[derive(Debug)]
pub struct InForce {
    /// Its name in metrics and logs.
    pub name: String,
    /// Since when, in seconds since 1970.
    pub since: u64,
    /// How many workers have it.
    pub workers: u32,
    /// What it says; or why the console cannot read it, though the filter can: a variable of the environment is missing here.
    pub config: Result<Config, String>,
    /// The key under which its clients are fingerprinted.
    pub secret: Secret,
}

/// One limit of one policy.
#[derive(Clone, Copy, Debug)]
pub struct Known {
    /// The policy's place in the book.
    pub policy: usize,
    /// The scope's place in the policy.
    pub scope: usize,
    /// The limit.
    pub limit: Limit,
    /// Its counter.
    pub counter: CounterId,
}

/// A client, as one limit counts it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Who.
    pub client: Fingerprint,
    /// The limit's place in the book.
    pub known: usize,
    /// What it would say to one unit more.
    pub verdict: Verdict,
}

/// All limits that are in force.
#[derive(Debug, Default)]
pub struct Book {
    policies: Vec<InForce>,
    known: Vec<Known>,
}

impl Book {
    /// The limits of these policies.
    #[must_use]
    pub fn new(policies: Vec<InForce>) -> Self {
        let mut known = Vec::new();
        for (policy, in_force) in policies.iter().enumerate() {
            let scopes = in_force.config.iter().flat_map(|config| config.policy.scopes.iter().enumerate());
            for (scope, Scope { limits, counters, .. }) in scopes {
                let limits = limits.iter().zip(counters);
                known.extend(limits.map(|(limit, counter)| Known {
                    policy,
                    scope,
                    limit: *limit,
                    counter: *counter,
                }));
            }
        }
        Self { policies, known }
    }

    /// The policies.
    #[must_use]
    pub fn policies(&self) -> &[InForce] {
        &self.policies
    }

    /// Why nothing is known of some policies' clients, if so: the console cannot read them.
    #[must_use]
    pub fn problem(&self) -> Option<String> {
        let unread = |policy: &InForce| {
            Some(format!("of the policy {}, {}", policy.name, policy.config.as_ref().err()?))
        };
        self.policies.iter().find_map(unread)
    }

    /// The limits.
    #[must_use]
    pub fn known(&self) -> &[Known] {
        &self.known
    }

    /// The limits, as they are looked for in the table, at the same places.
    #[must_use]
    pub fn watched(&self) -> Vec<Watched> {
        self.known.iter().map(|known| Watched { counter: known.counter, limit: known.limit }).collect()
    }

    /// The Redises in which policies keep counters, each once.
    #[must_use]
    pub fn redises(&self) -> Vec<&Settings> {
        let mut found: Vec<&Settings> = Vec::new();
        for settings in self.policies.iter().filter_map(|policy| policy.config.as_ref().ok()?.redis.as_ref())
        {
            if found.iter().all(|other| other.keeper() != settings.keeper()) {
                found.push(settings);
            }
        }
        found
    }

    /// Whether a policy keeps its counters in a Redis.
    #[must_use]
    pub fn is_in_redis(&self, policy: usize) -> bool {
        self.policies.get(policy).and_then(|policy| policy.config.as_ref().ok()?.redis.as_ref()).is_some()
    }

    /// Whether a policy keeps its counters in this Redis.
    #[must_use]
    pub fn is_in(&self, policy: usize, settings: &Settings) -> bool {
        let own = self.policies.get(policy).and_then(|policy| policy.config.as_ref().ok()?.redis.as_ref());
        own.is_some_and(|own| own.keeper() == settings.keeper())
    }

    /// The scope of a limit, and its policy.
    #[must_use]
    pub fn scope(&self, known: usize) -> Option<(&InForce, &Scope, Limit)> {
        let Known { policy, scope, limit, .. } = self.known.get(known)?;
        let policy = self.policies.get(*policy)?;
        Some((policy, policy.config.as_ref().ok()?.policy.scopes.get(*scope)?, *limit))
    }

    /// Which clients that is: one, unless policies fingerprint differently.
    #[must_use]
    pub fn clients(&self, whom: &Whom) -> Vec<Fingerprint> {
        if let Whom::Client(client) = whom {
            return vec![*client];
        }
        let mut clients = Vec::new();
        for InForce { config, secret, .. } in &self.policies {
            let Ok(config) = config else { continue };
            let rules = &config.policy.client;
            let client = match whom {
                Whom::Address(address) => network_fingerprint(address.network(rules.prefixes), secret),
                Whom::Credential(text) => {
                    credential_fingerprint(&typed_credential(&rules.credential_from, text.as_bytes()), secret)
                }
                Whom::Client(client) => *client,
            };
            if !clients.contains(&client) {
                clients.push(client);
            }
        }
        clients
    }
}

impl Listed {
    /// How much of a limit's units are used, and left.
    #[must_use]
    pub const fn units(&self, limit: Limit) -> (u32, u32) {
        let most = limit.most_at_once();
        match self.verdict {
            Verdict::Admitted { remaining, .. } => {
                (most.saturating_sub(remaining).saturating_sub(1), remaining.saturating_add(1))
            }
            Verdict::Denied { .. } => (most, 0),
        }
    }

    /// How long until one more unit is admitted, and until more units are there.
    #[must_use]
    pub const fn times(&self) -> (Duration, Duration) {
        match self.verdict {
            Verdict::Admitted { reset, .. } => (Duration::ZERO, reset),
            Verdict::Denied { wait } => (wait, wait),
        }
    }
}
