//! The console in the proxy: it reads what the policies post in shared data, and answers.

mod clients;
mod errands;
mod jobs;
mod scan;
mod visit;
mod waiting;

use std::cell::RefCell;
use std::cmp::Reverse;
use std::sync::Arc;
use std::time::Duration;

pub use visit::Visit;

use super::host::Host;
use super::metrics::Metrics;
use crate::config::{self, Config, ConsoleRules};
use crate::console::view::{self, Counts};
use crate::console::{Answer, Ask, Book, Door, InForce, Operator, Posted, Registry};
use crate::metrics::policy_name;
use crate::redis::Settings;
use crate::reply::LocalReply;
use crate::store::{Acts, Counters, Events, SharedCells, TableName};
use crate::text::put_hex;
use crate::time::Time;
use errands::Errands;
use jobs::{Acting, Job};
use scan::Scan;

/// What a console needs of its proxy.
pub trait Desk: Host {
    /// The counters that are in use under this name, if there are any.
    fn counters_in_use(
        &self,
        table: Option<&TableName>,
        shared: &SharedCells<Self::Data>,
    ) -> Option<Self::Counters>;

    /// Answers the request on this stream, which is there.
    fn answer(&self, stream: u32, reply: &LocalReply);

    /// Has [`Console::on_tick`] called in so long, or sooner.
    fn call_back(&self, within: Duration);

    /// Opens a connection to this Redis, and says this. Its number, by which [`Console::on_received`] or [`Console::on_closed`] is called;
    /// `None` if it cannot be opened.
    fn open(&self, settings: &Settings, commands: Vec<u8>) -> Option<u32>;

    /// Closes a connection.
    fn close(&self, connection: u32);
}

/// A console in one worker, or in all that share it.
pub struct Console<H: Desk> {
    host: H,
    door: Door,
    /// The table whose clients it shows.
    table: Option<TableName>,
    shared: SharedCells<H::Data>,
    state: RefCell<State<H>>,
    errands: Errands,
}

struct State<H: Host> {
    /// What waits for Redis.
    jobs: Vec<Job<H>>,
    /// How many jobs there have been.
    numbered: u32,
    /// What was read of the registry, and made of it.
    shown: Option<Arc<Shown<H>>>,
    scan: Option<Scan<H>>,
    /// The last complete scan, and when it ended.
    latest: Option<(Time, Scan<H>)>,
    /// What was answered by it.
    answered: Vec<(Ask, Answer)>,
    /// Who waits for a scan, and for what.
    waiting: Vec<(u32, Ask)>,
    /// Whose body has not come, and since when.
    bodies: Vec<(u32, Time)>,
}

impl<H: Host> Default for State<H> {
    fn default() -> Self {
        Self {
            jobs: Vec::new(),
            numbered: 0,
            shown: None,
            scan: None,
            latest: None,
            answered: Vec::new(),
            waiting: Vec::new(),
            bodies: Vec::new(),
        }
    }
}

/// The policies in force, with what each has counted.
struct Shown<H: Host> {
    posted: Vec<(Posted, u32)>,
    book: Book,
    metrics: Vec<Metrics<H::Meter>>,
}

impl<H: Desk> Console<H> {
    /// A console, if the document configures one; or why not.
    pub fn open(host: H, document: &[u8]) -> Option<Result<Self, String>> {
        let rules = config::console(document, &|name: &str| host.environment_variable(name))?;
        Some(rules.map_err(|error| error.to_string()).and_then(|ConsoleRules { tokens, table }| {
            let shared = host.shared(table.clone())?;
            Ok(Self {
                host,
                door: Door { tokens },
                table,
                shared,
                state: RefCell::default(),
                errands: Errands::default(),
            })
        }))
    }

    /// The proxy.
    pub const fn host(&self) -> &H {
        &self.host
    }

    /// Answers what was asked for, now or later.
    fn serve(&self, id: u32, operator: &Operator, ask: Ask) {
        if ask == Ask::Page {
            return self.send(id, &self.page());
        }
        let Some(shown) = self.shown() else {
            return self.send(
                id,
                &Answer::refusal(
                    503,
                    "the proxy does not give access to its shared data, where the policies in force are",
                ),
            );
        };
        match ask {
            Ask::Page => {}
            Ask::Policies => self.send(id, &self.policies(&shown)),
            Ask::Clients { .. } => self.await_scan(id, ask),
            Ask::Find(whom) => self.find(id, &shown, &whom),
            Ask::Act { client, act, by } => {
                let operator = operator.clone();
                self.act(
                    id,
                    &shown,
                    Acting { operator, by, client, act, changed: false, redises: Vec::new() },
                );
            }
        }
    }

    fn policies(&self, shown: &Shown<H>) -> Answer {
        let counts: Vec<&dyn Counts> = shown.metrics.iter().map(|metrics| metrics as &dyn Counts).collect();
        let capacity = self.shared.agreed_capacity();
        let table = shown
            .metrics
            .first()
            .map(|metrics| metrics.table(self.table.as_ref(), capacity))
            .unwrap_or_default();
        let redis = shown.metrics.iter().find_map(Metrics::redis);
        let now = self.host.now();
        let mut blocked: Vec<_> = self.acts().blocked(now).collect();
        // One that is blocked in several places once, for the longest time.
        blocked.sort_unstable_by_key(|(client, left)| (*client, Reverse(*left)));
        blocked.dedup_by_key(|(client, _)| *client);
        Answer::json(&view::policies(
            &shown.book,
            &counts,
            table,
            redis.as_ref(),
            &blocked,
            self.host.unix_time(),
        ))
    }

    fn counters(&self) -> Option<H::Counters> {
        self.host.counters_in_use(self.table.as_ref(), &self.shared)
    }

    fn acts(&self) -> Acts {
        let acts = self.counters().and_then(|counters| counters.acts(&mut Events::default()).ok());
        acts.unwrap_or_default()
    }

    /// The policies in force. They are read anew if they have changed.
    fn shown(&self) -> Option<Arc<Shown<H>>> {
        let posted = Registry(&self.shared).in_force(self.host.now()).ok()?;
        let mut state = self.state.borrow_mut();
        if let Some(shown) = state.shown.as_ref().filter(|shown| shown.posted == posted) {
            return Some(shown.clone());
        }
        let secret = self.shared.agree_on_secret(|| self.host.random()).ok()?;
        let (mut policies, mut metrics) = (Vec::new(), Vec::new());
        for (posted, signs) in &posted {
            // Envoy's main thread has the configuration, too, and serves nobody.
            let workers = signs.saturating_sub(1).max(1);
            let name = policy_name(&posted.name);
            let environment = |name: &str| self.host.environment_variable(name);
            let config =
                Config::parse_with(&posted.document, &environment).map_err(|error| error.to_string());
            let config = config.and_then(|config| self.host.fit(config));
            let config = config.map_err(|error| format!("the console cannot read it: {error}"));
            let redis = config.as_ref().ok().and_then(|config| config.redis.as_ref());
            let secret = redis.map_or(secret, |redis| redis.secret);
            let scopes = config.as_ref().map_or(&[][..], |config| &config.policy.scopes);
            metrics.push(Metrics::define(
                self.host.meter(),
                &name,
                scopes,
                self.table.as_ref(),
                redis.is_some(),
            ));
            policies.push(InForce { name, since: posted.since, workers, config, secret });
        }
        let shown = Arc::new(Shown { posted, book: Book::new(policies), metrics });
        state.shown = Some(shown.clone());
        Some(shown)
    }

    fn page(&self) -> Answer {
        let mut nonce = String::new();
        match self.host.random() {
            Ok(bytes) => put_hex(&mut nonce, &bytes),
            Err(_) => return Answer::refusal(503, "the proxy has no random numbers"),
        }
        Answer::page(&nonce)
    }

    /// Answers the request on this stream.
    fn send(&self, stream: u32, answer: &Answer) {
        let Answer { status, headers, body } = answer;
        let reply = LocalReply {
            status: *status,
            headers: headers.clone(),
            body: body.clone(),
            details: "tollgate_console".to_owned(),
            grpc_message: String::new(),
        };
        self.host.answer(stream, &reply);
    }
}

fn unreachable() -> Answer {
    Answer::refusal(503, "the counters cannot be reached at the moment; try again")
}
