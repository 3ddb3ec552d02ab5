//! The console in the proxy: it reads what the filters post in shared data, and answers.

mod errands;
mod jobs;
mod scan;
mod visit;

use std::cell::RefCell;
use std::fmt::Write as _;
use std::rc::Rc;
use std::time::Duration;

pub(super) use visit::Visit;

use super::host;
use super::metrics::Metrics;
use super::redis::Link;
use super::shared::{HostData, SharedCells};
use crate::config::{self, Config};
use crate::console::view::{self, Counts, Found};
use crate::console::{Act, Answer, Ask, Book, Door, InForce, Listed, Operator, Posted, Registry, Whom};
use crate::metrics::policy_name;
use crate::redis::{Question, Settings};
use crate::reply::LocalReply;
use crate::store::{Acts, Events, Place, StoreError, Table, TooMany};
use crate::text::put_hex;
use crate::time::Time;
use errands::Errands;
use jobs::{Acting, Find, Job, Task, watched_in};
use scan::Scan;

/// How often there is something to do while anybody waits.
const STEP: Duration = Duration::from_millis(5);
/// So long a body may take; then the proxy keeps it back.
const PATIENCE: Duration = Duration::from_secs(2);
/// The number of the scan among jobs.
const SCAN: u32 = 0;
/// How long a scan is good for.
const FRESH: Duration = Duration::from_secs(1);

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
    latest: Option<(Time, Rc<Scan>)>,
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
                    Acting { operator, by, client, act, changed: false, places: Vec::new() },
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
        let blocked: Vec<_> = self.acts().blocked(now).collect();
        Answer::json(&view::policies(
            &shown.book,
            &counts,
            table,
            redis.as_ref(),
            &blocked,
            host::unix_time(),
        ))
    }

    fn find(&self, id: u32, shown: &Shown, whom: &Whom) {
        let (now, acts, book) = (host::now(), self.acts(), &shown.book);
        let watched = book.watched();
        let is = match whom {
            Whom::Address(_) => "address",
            Whom::Credential(_) => "credential",
            Whom::Client(_) => "client",
        };
        let mut find = Find { is, found: Vec::new(), instead: Vec::new(), asked: Vec::new() };
        let mut questions = Vec::new();
        for (place, client) in book.clients(whom).into_iter().enumerate() {
            let seen = self.table().map(|table| table.look(client, &watched, now)).transpose();
            let Ok(seen) = seen else { return send(&unreachable()) };
            let (proved_for, standings) =
                seen.map(|seen| (seen.proved_for, seen.standings)).unwrap_or_default();
            let listed = standings.into_iter().map(|(known, verdict)| Listed { client, known, verdict });
            let (instead, listed) =
                listed.partition(|listed| book.is_in_redis(book.known()[listed.known].policy));
            find.instead.extend::<Vec<_>>(instead);
            find.found.push(Found { client, proved_for, blocked_for: acts.blocked_for(client, now), listed });
            for settings in book.redises() {
                let (known, watched) = watched_in(book, settings);
                find.asked.push((place, known));
                questions.push((settings.clone(), Question::Look { client, watched }));
            }
        }
        self.begin(id, Task::Find(find), questions);
    }

    fn act(&self, id: u32, shown: &Shown, mut acting: Acting) {
        let Some(table) = self.table() else {
            return send(&Answer::refusal(
                503,
                "no policy is in force in this proxy yet, so there are no counters",
            ));
        };
        let (now, client) = (host::now(), acting.client);
        let is_counted_here = (0..shown.book.policies().len()).any(|policy| !shown.book.is_in_redis(policy));
        let done = match acting.act {
            // Also of a policy with counters in Redis: those here count while Redis is away.
            Act::Pardon => table.pardon(client, now).map(Ok),
            _ if !is_counted_here => Ok(Ok(false)),
            Act::Unblock => table.change_acts(now, |acts| acts.unblock(client, now)).map(Ok),
            Act::Block(span) => {
                let block = |acts: &mut Acts| acts.block(client, now.after(span), now).map(|()| true);
                table.change_acts(now, block)
            }
        };
        let refusal = match done {
            Ok(Ok(changed)) => {
                acting.changed = changed;
                let redises = shown.book.redises();
                acting.places =
                    redises.iter().map(|redis| Place::redis(&redis.cluster, &redis.prefix)).collect();
                let questions = redises.into_iter().map(|redis| (redis.clone(), acting.question())).collect();
                return self.begin(id, Task::Act(acting), questions);
            }
            Ok(Err(TooMany)) => Answer::refusal(
                409,
                "1,000 clients are blocked already: unblock some, or turn a network away before Tollgate sees it",
            ),
            Err(StoreError::Unavailable | StoreError::Contended) => unreachable(),
        };
        tell(&acting, &refusal);
        send(&refusal);
    }

    /// Puts these questions, if there are any; the task is over when they are answered.
    fn begin(&self, stream: u32, task: Task, questions: Vec<(Settings, Question)>) {
        let left = questions.len();
        let id = {
            let mut state = self.state.borrow_mut();
            state.numbered = state.numbered.wrapping_add(1).max(1);
            state.numbered
        };
        let job = Job { id, stream, task, left, problem: None };
        if questions.is_empty() {
            return self.end(job);
        }
        for (which, (settings, question)) in questions.into_iter().enumerate() {
            self.errands.put((id, which), &settings, question);
        }
        self.state.borrow_mut().jobs.push(job);
        host::set_tick_period(STEP);
    }

    /// All questions of a job are answered.
    fn end(&self, job: Job) {
        let Job { stream, task, problem, .. } = job;
        let problem = problem.as_deref();
        Link::enter(stream);
        match (task, self.shown()) {
            (_, None) => send(&unreachable()),
            (Task::Find(find), Some(shown)) => send(&find.answer(&shown.book, problem)),
            (Task::Act(acting), Some(_)) if problem.is_some() => {
                let reason = format!("nothing is certain: {}", problem.unwrap_or_default());
                let refusal = Answer::refusal(502, &reason);
                tell(&acting, &refusal);
                send(&refusal);
            }
            // Now this proxy's workers need not wait until they hear of it.
            (Task::Act(acting), Some(shown)) if !acting.places.is_empty() => {
                let questions = shown.book.redises().into_iter().map(|redis| (redis.clone(), Question::Acts));
                self.begin(stream, Task::Hear(acting), questions.collect());
            }
            (Task::Act(acting) | Task::Hear(acting), Some(_)) => {
                let answer = acting.answer();
                tell(&acting, &answer);
                send(&answer);
            }
        }
    }

    /// What has come of a question.
    fn take(&self, (id, which): (u32, usize), outcome: errands::Outcome) {
        if id == SCAN {
            if let Some(scan) = &mut self.state.borrow_mut().scan {
                scan.take(outcome);
            }
            return;
        }
        let mut state = self.state.borrow_mut();
        let Some(place) = state.jobs.iter().position(|job| job.id == id) else { return };
        let is_over = state.jobs[place].take(which, outcome, |place, acts| self.hear(place, &acts));
        if is_over {
            let job = state.jobs.swap_remove(place);
            drop(state);
            self.end(job);
        }
    }

    fn hear(&self, place: Place, acts: &crate::redis::Acts) {
        if let Some(table) = self.table() {
            // If this fails, workers hear of it by themselves.
            let _ = table.hear(place, acts.number, &acts.blocked, host::now());
        }
    }

    /// Bytes have come from Redis.
    pub(super) fn on_received(&self, connection: u32, size: usize) {
        if let Some((purpose, outcome)) = self.errands.on_received(connection, size) {
            self.take(purpose, outcome);
        }
    }

    /// A connection to Redis is no more.
    pub(super) fn on_closed(&self, connection: u32) {
        if let Some((purpose, outcome)) = self.errands.on_closed(connection) {
            self.take(purpose, outcome);
        }
    }

    fn await_scan(&self, id: u32, ask: Ask) {
        let mut state = self.state.borrow_mut();
        let is_fresh = |(at, _): &(Time, _)| host::now().since(*at) < FRESH;
        if let Some((_, scan)) = state.latest.as_ref().filter(|latest| is_fresh(latest)) {
            return send(&scan.answer(&ask));
        }
        state.waiting.push((id, ask));
        host::set_tick_period(STEP);
    }

    /// Does a step of what is to be done. Returns in how long there is more to do; zero if there is nothing.
    pub(super) fn on_tick(&self) -> Duration {
        self.give_up_bodies();
        for (purpose, outcome) in self.errands.go_on() {
            self.take(purpose, outcome);
        }
        let is_scanned_for = !self.state.borrow().waiting.is_empty();
        if is_scanned_for {
            self.scan();
        }
        let state = self.state.borrow();
        let is_busy =
            !state.waiting.is_empty() || !state.bodies.is_empty() || self.errands.are_on_their_way();
        if is_busy { STEP } else { Duration::ZERO }
    }

    fn scan(&self) {
        // One of its questions is on its way.
        if self.errands.is_on_its_way(SCAN) {
            return;
        }
        let scan = self.state.borrow_mut().scan.take();
        let mut scan = match scan {
            Some(scan) => scan,
            None => match self.shown() {
                Some(shown) => Scan::new(shown),
                None => return self.answer_waiting(|_| unreachable()),
            },
        };
        let now = host::now();
        let is_over = match scan.question() {
            Some((settings, question)) => {
                self.errands.put((SCAN, 0), settings, question);
                false
            }
            None => self.table().is_none_or(|table| scan.step(&table, now)),
        };
        if !is_over {
            self.state.borrow_mut().scan = Some(scan);
            return;
        }
        let scan = Rc::new(scan);
        self.state.borrow_mut().latest = Some((now, scan.clone()));
        self.answer_waiting(|ask| scan.answer(ask));
    }

    fn answer_waiting(&self, answer: impl Fn(&Ask) -> Answer) {
        let waiting = std::mem::take(&mut self.state.borrow_mut().waiting);
        for (id, ask) in waiting {
            Link::enter(id);
            send(&answer(&ask));
        }
    }

    /// The body of this request comes later.
    fn awaits_body(&self, id: u32) {
        self.state.borrow_mut().bodies.push((id, host::now()));
        host::set_tick_period(STEP);
    }

    fn has_body(&self, id: u32) {
        self.state.borrow_mut().bodies.retain(|(other, _)| *other != id);
    }

    fn give_up_bodies(&self) {
        let now = host::now();
        let is_late = |(_, since): &(u32, Time)| now.since(*since) > PATIENCE;
        let late: Vec<_> = self.state.borrow_mut().bodies.extract_if(.., |body| is_late(body)).collect();
        for (id, _) in late {
            Link::enter(id);
            send(&Answer::refusal(
                408,
                "the body has not come: send it at once; and if it was sent, the console's filter needs `allow_on_headers_stop_iteration: true` \
                 in Envoy's configuration, as envoy/inline.yaml has it",
            ));
        }
    }

    /// The request is no more.
    fn is_gone(&self, id: u32) {
        let mut state = self.state.borrow_mut();
        state.waiting.retain(|(other, _)| *other != id);
        state.bodies.retain(|(other, _)| *other != id);
        state.jobs.retain(|job| job.stream != id);
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

/// Every act stands in the log, whatever has come of it.
fn tell(acting: &Acting, answer: &Answer) {
    let Acting { operator: Operator { token, from }, by, client, act, changed, .. } = acting;
    let mut who = String::new();
    // Writing to a string does not fail.
    if let Some(by) = by {
        let _ = write!(who, " by {by:?}, as was said,");
    }
    if let Some(token) = token {
        let _ = write!(who, " with the token of {token:?}");
    }
    let span = if let Act::Block(span) = act { format!(" for {} s", span.as_secs()) } else { String::new() };
    let outcome = match (answer.status, changed) {
        (200, true) => "done".to_owned(),
        (200, false) => "nothing to do".to_owned(),
        (status, _) => format!("failed with {status}"),
    };
    log::warn!("console: {} client {client}{span}{who} from {from}: {outcome}", act.name());
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
