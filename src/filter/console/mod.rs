//! The console in the proxy: it reads what the filters post in shared data, and answers.

mod clients;
mod errands;
mod jobs;
mod scan;
mod visit;
mod waiting;

use std::cell::RefCell;
use std::cmp::Reverse;
use std::rc::Rc;

pub(super) use visit::Visit;

use super::host;
use super::metrics::Metrics;
use super::shared::{HostData, SharedCells};
use crate::config::{self, Config};
use crate::console::view::{self, Counts};
use crate::console::{Answer, Ask, Book, Door, InForce, Operator, Posted, Registry};
use crate::metrics::policy_name;
use crate::reply::LocalReply;
use crate::store::{Acts, Counters, Events, Table};
use crate::text::put_hex;
use crate::time::Time;
use errands::Errands;
use jobs::{Acting, Job};
use scan::Scan;

/// A console in one worker.
pub(super) struct Console {
    door: Door,
    cells: SharedCells,
    state: RefCell<State>,
    errands: Errands,
}

#[derive(Default)]
struct State {
    /// What waits for Redis.
    jobs: Vec<Job>,
    /// How many jobs there have been.
    numbered: u32,
    /// What was read of the registry, and made of it.
    shown: Option<Rc<Shown>>,
    scan: Option<Scan>,
    /// The last complete scan, and when it ended.
    latest: Option<(Time, Scan)>,
    /// What was answered by it.
    answered: Vec<(Ask, Answer)>,
    /// Who waits for a scan, and for what.
    waiting: Vec<(u32, Ask)>,
    /// Whose body has not come, and since when.
    bodies: Vec<(u32, Time)>,
}

/// The policies in force, with what each has counted.
struct Shown {
    posted: Vec<(Posted, u32)>,
    book: Book,
    metrics: Vec<Metrics>,
}

impl Console {
    /// A console, if the document configures one; or why not.
    pub(super) fn open(document: &[u8]) -> Option<Result<Self, String>> {
        let tokens = config::console(document, &host::environment_variable)?;
        Some(tokens.map_err(|error| error.to_string()).and_then(|tokens| {
            let cells = SharedCells::open(HostData)?;
            Ok(Self { door: Door { tokens }, cells, state: RefCell::default(), errands: Errands::default() })
        }))
    }

    const fn door(&self) -> &Door {
        &self.door
    }

    /// Answers what was asked for, now or later.
    fn serve(&self, id: u32, operator: &Operator, ask: Ask) {
        if ask == Ask::Page {
            return send(&page());
        }
        let Some(shown) = self.shown() else {
            return send(&Answer::refusal(
                503,
                "the proxy does not give access to its shared data, where the policies in force are",
            ));
        };
        match ask {
            Ask::Page => {}
            Ask::Policies => send(&self.policies(&shown)),
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

    fn policies(&self, shown: &Shown) -> Answer {
        let counts: Vec<&dyn Counts> = shown.metrics.iter().map(|metrics| metrics as &dyn Counts).collect();
        let capacity = self.cells.agreed_capacity();
        let table = shown.metrics.first().map(|metrics| metrics.table(capacity)).unwrap_or_default();
        let redis = shown.metrics.iter().find_map(Metrics::redis);
        let now = host::now();
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
            host::unix_time(),
        ))
    }

    fn table(&self) -> Option<Table<&SharedCells>> {
        Some(Table::new(&self.cells, self.cells.agreed_capacity()?))
    }

    fn acts(&self) -> Acts {
        let acts = self.table().and_then(|table| table.acts(&mut Events::default()).ok());
        acts.unwrap_or_default()
    }

    /// The policies in force. They are read anew if they have changed.
    fn shown(&self) -> Option<Rc<Shown>> {
        let posted = Registry(&self.cells).in_force(host::now()).ok()?;
        let mut state = self.state.borrow_mut();
        if let Some(shown) = state.shown.as_ref().filter(|shown| shown.posted == posted) {
            return Some(shown.clone());
        }
        let secret = self.cells.agree_on_secret(host::random).ok()?;
        let (mut policies, mut metrics) = (Vec::new(), Vec::new());
        for (posted, signs) in &posted {
            // Envoy's main thread has the configuration, too, and serves nobody.
            let workers = signs.saturating_sub(1).max(1);
            let name = policy_name(&posted.name);
            let config = Config::parse_with(&posted.document, &host::environment_variable);
            let config = config.map_err(|error| format!("the console cannot read it: {error}"));
            let redis = config.as_ref().ok().and_then(|config| config.redis.as_ref());
            let secret = redis.map_or(secret, |redis| redis.secret);
            let scopes = config.as_ref().map_or(&[][..], |config| &config.policy.scopes);
            metrics.push(Metrics::define(&name, scopes, redis.is_some()));
            policies.push(InForce { name, since: posted.since, workers, config, secret });
        }
        let shown = Rc::new(Shown { posted, book: Book::new(policies), metrics });
        state.shown = Some(shown.clone());
        Some(shown)
    }
}

fn page() -> Answer {
    let mut nonce = String::new();
    match host::random() {
        Ok(bytes) => put_hex(&mut nonce, &bytes),
        Err(_) => return Answer::refusal(503, "the proxy has no random numbers"),
    }
    Answer::page(&nonce)
}

fn unreachable() -> Answer {
    Answer::refusal(503, "the counters cannot be reached at the moment; try again")
}

/// Answers the request whose context is at work.
fn send(answer: &Answer) {
    let Answer { status, headers, body } = answer;
    let reply = LocalReply {
        status: *status,
        headers: headers.clone(),
        body: body.clone(),
        details: "tollgate_console".to_owned(),
        grpc_message: String::new(),
    };
    host::reply(&reply, false);
}
