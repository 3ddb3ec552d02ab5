//! What Redis is told.

use std::fmt;
use std::time::Duration;

use super::resp::{put_argument, put_command, put_count};
use super::script::{SCRIPT_SHA1, charging_script};
use crate::limit::Algorithm;
use crate::store::{Charge, Fingerprint, MOST_BLOCKED, Plan, Proof, Receipt, Settlement, Stays, Taken};
use crate::text::put_hex;

/// Writes commands for keys with one prefix.
#[derive(Clone)]
pub struct Commands {
    prefix: String,
    login: Option<Login>,
}

/// As whom to log in.
#[derive(Clone, PartialEq, Eq)]
pub struct Login {
    /// The user; without one, Redis takes its default user.
    pub username: Option<String>,
    /// The password.
    pub password: String,
}

impl fmt::Debug for Login {
    /// Without the password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Login").field("username", &self.username).finish_non_exhaustive()
    }
}

impl fmt::Debug for Commands {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Commands").field("prefix", &self.prefix).field("login", &self.login).finish()
    }
}

/// Behind the prefix: a change of what stands under a key needs another version.
const VERSION: &str = "v2:";

/// Behind it, where a client's digits stand else. In the set under that key it is the member whose score is how often anything was done.
pub(super) const ACTS: &str = "acts";

/// The keys of one call of the script, each client's once, and its arguments, as they are sent.
struct Call<'c> {
    commands: &'c Commands,
    clients: Vec<Fingerprint>,
    arguments: Vec<u8>,
    count: usize,
}

impl Commands {
    /// Commands for keys that begin with `prefix`.
    #[must_use]
    pub const fn new(prefix: String, login: Option<Login>) -> Self {
        Self { prefix, login }
    }

    /// Appends the login, if there is one. Returns whether there is.
    pub fn login(&self, out: &mut Vec<u8>) -> bool {
        let Some(Login { username, password }) = &self.login else { return false };
        match username {
            Some(username) => put_command(out, &[b"AUTH", username.as_bytes(), password.as_bytes()]),
            None => put_command(out, &[b"AUTH", password.as_bytes()]),
        }
        true
    }

    /// Appends the command that loads the script.
    pub fn script(&self, out: &mut Vec<u8>) {
        put_command(out, &[b"SCRIPT", b"LOAD", charging_script().as_bytes()]);
    }

    /// Appends the question what happens when its memory is full.
    pub fn memory(&self, out: &mut Vec<u8>) {
        put_command(out, &[b"INFO", b"memory"]);
    }

    /// Appends the question what operators have done: first the time there, then who is blocked until when.
    pub fn acts(&self, out: &mut Vec<u8>) {
        put_command(out, &[b"TIME"]);
        // One more than can be blocked: the number of acts stands among them.
        let last = MOST_BLOCKED.to_string();
        put_command(out, &[b"ZRANGE", self.acts_key().as_bytes(), b"0", last.as_bytes(), b"WITHSCORES"]);
    }

    /// Appends a command that says whether all that a request needs works: it writes a key that lasts a second.
    pub fn probe(&self, out: &mut Vec<u8>) {
        let nobody = Fingerprint::from_bytes([0; Fingerprint::SIZE]);
        let proof = Proof { client: nobody, lasts: Duration::from_secs(1) };
        self.settle(&Settlement { proof: Some(proof), ..Settlement::default() }, out);
    }

    /// The key with all of a client's counters. It tells nothing about the client.
    #[must_use]
    pub fn key(&self, client: Fingerprint) -> String {
        let mut key = String::with_capacity(self.prefix.len() + VERSION.len() + 2 * Fingerprint::SIZE);
        key.push_str(&self.prefix);
        key.push_str(VERSION);
        put_hex(&mut key, &client.to_bytes());
        key
    }

    /// The key with what operators have done: who is blocked, and how often anything was done.
    #[must_use]
    pub fn acts_key(&self) -> String {
        [&self.prefix, VERSION, ACTS].concat()
    }

    /// Appends the command that charges a request.
    pub fn charge(&self, plan: &Plan, out: &mut Vec<u8>) {
        let mut call = self.call("charge", plan.proof().map(|proof| (proof.client, proof.lasts)));
        call.charges(plan.charges(true));
        if let Plan::Depends { unproved, .. } = plan {
            call.charges(unproved);
        }
        call.put(out);
    }

    /// Appends the command that settles an answered request.
    pub fn settle(&self, settlement: &Settlement, out: &mut Vec<u8>) {
        let mut call = self.call("settle", settlement.proof.map(|proof| (proof.client, proof.noted_for())));
        call.given_back(&settlement.given_back);
        call.put(out);
    }

    fn call(&self, what: &str, proof: Option<(Fingerprint, Duration)>) -> Call<'_> {
        let (client, lasts) = proof.unzip();
        let clients = client.into_iter().collect();
        let mut call = Call { commands: self, clients, arguments: Vec::with_capacity(128), count: 0 };
        call.argument(what.as_bytes());
        call.argument(lasts.unwrap_or_default().as_micros().to_string().as_bytes());
        call
    }
}

impl Call<'_> {
    /// Which of the keys is this client's, from 1.
    fn key(&mut self, client: Fingerprint) -> u16 {
        let known = self.clients.iter().position(|known| *known == client);
        let index = known.unwrap_or_else(|| {
            self.clients.push(client);
            self.clients.len() - 1
        });
        // A request has some charges for each scope, and configurations with 65,535 scopes are not written.
        u16::try_from(index + 1).unwrap_or(u16::MAX)
    }

    fn charges(&mut self, charges: &[Charge]) {
        let mut packed = Vec::with_capacity(25 * charges.len());
        for charge in charges {
            let rate = charge.limit.rate;
            let burst = match charge.limit.algorithm {
                Algorithm::SlidingWindow => 0,
                Algorithm::TokenBucket { burst } => burst,
            };
            packed.extend_from_slice(&self.key(charge.client).to_be_bytes());
            for number in [charge.counter.0, rate.quota(), rate.window_secs(), burst, charge.cost] {
                packed.extend_from_slice(&number.to_be_bytes());
            }
            packed.extend_from_slice(&u16::try_from(charge.scope).unwrap_or(u16::MAX).to_be_bytes());
            packed.push(charge.enforced.into());
        }
        self.argument(&packed);
    }

    fn given_back(&mut self, receipt: &Receipt) {
        let mut packed = Vec::new();
        for Taken { client, counter, mark, cost, stays, .. } in receipt.iter() {
            packed.extend_from_slice(&self.key(*client).to_be_bytes());
            packed.extend_from_slice(&counter.0.to_be_bytes());
            // The highest byte of a time is always 0.
            packed.extend_from_slice(&mark.micros().to_be_bytes()[1..]);
            packed.extend_from_slice(&cost.to_be_bytes());
            packed.push((*stays == Stays::IfNew).into());
        }
        self.argument(&packed);
    }

    fn argument(&mut self, argument: &[u8]) {
        put_argument(&mut self.arguments, argument);
        self.count += 1;
    }

    fn put(self, out: &mut Vec<u8>) {
        put_count(out, 3 + self.clients.len() + self.count);
        put_argument(out, b"EVALSHA");
        put_argument(out, SCRIPT_SHA1.as_bytes());
        put_argument(out, self.clients.len().to_string().as_bytes());
        for client in &self.clients {
            put_argument(out, self.commands.key(*client).as_bytes());
        }
        out.extend_from_slice(&self.arguments);
    }
}
