//! A worker's side of Redis, and a Redis that is played.

use std::time::Duration;

use tollgate::config::Config;
use tollgate::redis::{Asked, Failure, SCRIPT_SHA1, Settings, Step, Store};
use tollgate::store::{Plan, Proof, Settlement};
use tollgate::time::Time;

use super::{certain, charge, client, limit};

pub(crate) const TIMEOUT: Duration = Duration::from_millis(100);

pub(crate) const fn at(millis: u64) -> Time {
    Time::from_micros(1_000_000 + millis * 1_000)
}

pub(crate) fn settings() -> Settings {
    let document = r#"{ "store": { "redis": { "cluster": "c", "timeout": "100ms", "secret": "0123456789abcdef0123456789abcdef" } } }"#;
    Config::parse(document.as_bytes()).expect(document).redis.expect("it is there")
}

pub(crate) fn plan(name: u64) -> Plan {
    certain(vec![charge(name, 1, limit("5/min"))])
}

pub(crate) fn proof(name: u64) -> Proof {
    Proof { client: client(name), lasts: Duration::from_hours(1) }
}

pub(crate) fn proves(name: u64) -> Settlement {
    Settlement { proof: Some(proof(name)), ..Settlement::default() }
}

/// Good replies to each of the commands that are used.
pub(crate) const CHARGED: &str = "*8\r\n:1764\r\n:0\r\n:0\r\n:0\r\n:1\r\n:4\r\n:9\r\n:1764\r\n";
pub(crate) const SETTLED: &str = "*4\r\n:1764\r\n:1\r\n:0\r\n:0\r\n";
pub(crate) const MEMORY: &str = "$42\r\nmaxmemory:0\r\nmaxmemory_policy:noeviction\r\n\r\n";
/// There are two: the time, and that nobody is blocked and seven things were done.
pub(crate) const ACTS: &str = "*2\r\n$4\r\n1764\r\n$1\r\n0\r\n*2\r\n$4\r\nacts\r\n$1\r\n7\r\n";

/// A store, and what it has had done with its connection.
pub(crate) struct Played {
    pub(crate) store: Store<u32>,
    /// What was sent and is not answered yet, command by command.
    pub(crate) sent: Vec<Command>,
    /// How many connections were opened, and closed by the store.
    pub(crate) opened: usize,
    pub(crate) closed: usize,
    /// The sizes of the batches that were sent.
    pub(crate) batches: Vec<usize>,
    /// The bytes that were sent last.
    pub(crate) last: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Command {
    Login,
    Memory,
    Script,
    /// The two that ask what operators have done.
    Acts,
    Settle,
    Charge,
}

impl Played {
    pub(crate) fn new() -> Self {
        Self::with(&settings())
    }

    pub(crate) fn with(settings: &Settings) -> Self {
        let store = Store::new(settings, 7);
        Self { store, sent: Vec::new(), opened: 0, closed: 0, batches: Vec::new(), last: String::new() }
    }

    /// Does what the store says is next, for as long as there is anything.
    pub(crate) fn go_on(&mut self, now: Time) {
        while let Some(step) = self.store.next_step(now) {
            match step {
                Step::Open => {
                    self.opened += 1;
                    self.sent.clear();
                    self.store.opened(now);
                }
                Step::Close => {
                    self.closed += 1;
                    self.sent.clear();
                }
                Step::Send { commands, requests } => {
                    self.last = String::from_utf8_lossy(&commands).into_owned();
                    self.sent.extend(commands_of(&self.last));
                    self.batches.push(requests);
                }
            }
        }
    }

    /// A request of a client of its own; it has to wait.
    pub(crate) fn arrives(&mut self, ticket: u32, now: Time) {
        let asked = self.store.ask(ticket, ticket, plan(ticket.into()), now);
        assert!(matches!(asked, Asked::Waits), "{asked:?}");
        self.go_on(now);
    }

    pub(crate) fn settles(&mut self, settlement: Settlement, now: Time) {
        self.store.settle(settlement);
        self.go_on(now);
    }

    /// The good replies to all that was sent.
    pub(crate) fn good(&self) -> String {
        self.sent.iter().map(|command| command.reply()).collect()
    }

    /// All that was sent is answered well.
    pub(crate) fn answers(&mut self, now: Time) {
        let replies = self.good();
        self.says(&replies, now);
    }

    /// These bytes come, which end with a reply.
    pub(crate) fn says(&mut self, replies: &str, now: Time) {
        self.sent.clear();
        self.store.received(replies.as_bytes(), now);
        self.go_on(now);
    }

    /// The connection ends.
    pub(crate) fn breaks(&mut self, now: Time) {
        self.sent.clear();
        self.store.closed(Failure::Connection, now);
        self.go_on(now);
    }

    pub(crate) fn ticks(&mut self, now: Time) {
        self.store.tick(now);
        self.go_on(now);
    }

    /// What has come of whom.
    pub(crate) fn decided(&mut self) -> Vec<(u32, Option<Failure>)> {
        std::iter::from_fn(|| self.store.next_decided())
            .map(|decided| (decided.waiter, decided.outcome.err()))
            .collect()
    }

    /// Redis has answered once: nothing is unknown about the connection.
    pub(crate) fn warmed_up(mut self) -> Self {
        self.arrives(1_000, at(0));
        self.answers(at(0));
        self.decided();
        self.store.take_report();
        self.batches.clear();
        self
    }

    /// Redis has failed so often that nobody asks any more, at 0.
    pub(crate) fn given_up(mut self) -> Self {
        for turn in 0..3 {
            self.arrives(2_000 + turn, at(0));
            self.breaks(at(0));
        }
        self.decided();
        self.store.take_report();
        self
    }
}

impl Command {
    const fn reply(self) -> &'static str {
        match self {
            Self::Login => "+OK\r\n",
            Self::Memory => MEMORY,
            Self::Script => "$40\r\n0123456789012345678901234567890123456789\r\n",
            Self::Acts => ACTS,
            Self::Settle => SETTLED,
            Self::Charge => CHARGED,
        }
    }
}

/// The commands in these bytes. (No argument in them is one.)
fn commands_of(bytes: &str) -> Vec<Command> {
    let calls = bytes.split(SCRIPT_SHA1);
    let mut commands = Vec::new();
    for (place, part) in calls.enumerate() {
        if place > 0 {
            commands.push(if part.contains("charge\r\n") { Command::Charge } else { Command::Settle });
        }
        for (word, command) in [
            ("AUTH\r\n", Command::Login),
            ("INFO\r\n", Command::Memory),
            ("LOAD\r\n", Command::Script),
            ("ZRANGE\r\n", Command::Acts),
        ] {
            if part.contains(word) {
                commands.push(command);
            }
        }
    }
    commands
}
