//! The core's store over a wire to a real Redis: what the module does.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, Weak};
use std::time::{Duration, Instant};

use tollgate::limit::{Limit, Verdict};
use tollgate::redis::{Asked, Failure, Report, Settings, Step, Store};
use tollgate::store::{Charge, CounterId, Fingerprint, Fingerprinter, Plan, Proves, Secret, Stays};
use tollgate::time::Time;
use tollgate_wire::{Event, Target, Timer, Wire};

use super::Server;
use super::line::{thread, until};
use super::server::{PATIENCE, settings_with};

/// A store, its connection, and what has come of requests.
struct Link {
    target: Target,
    start: Instant,
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    store: Store<u32>,
    wire: Option<Wire>,
    /// How many connections there have been. What an earlier one says is of no interest.
    connections: u32,
    tickets: u32,
    decided: Vec<(u32, Result<bool, Failure>)>,
    report: Report,
}

impl Link {
    fn new(settings: &Settings) -> (Arc<Self>, Timer) {
        let state = State {
            store: Store::new(settings, 7),
            wire: None,
            connections: 0,
            tickets: 0,
            decided: Vec::new(),
            report: Report::default(),
        };
        let target = Target::new(settings).expect("good");
        let link = Arc::new(Self {
            target,
            start: Instant::now(),
            state: Mutex::new(state),
            changed: Condvar::new(),
        });
        let ticking = Arc::downgrade(&link);
        let timer = thread().every(Duration::from_millis(5), move || {
            if let Some(link) = ticking.upgrade() {
                link.with(|state, now| state.store.tick(now));
            }
        });
        (link, timer)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("whole")
    }

    /// The one door to the store.
    fn with<T>(self: &Arc<Self>, act: impl FnOnce(&mut State, Time) -> T) -> T {
        let now = Time::from_micros(u64::try_from(self.start.elapsed().as_micros()).expect("not that long"));
        let mut state = self.state();
        let result = act(&mut state, now);
        while let Some(step) = state.store.next_step(now) {
            match step {
                Step::Open => {
                    state.connections += 1;
                    let (link, number) = (Arc::downgrade(self), state.connections);
                    state.wire = Some(Wire::open(thread(), &self.target, move |event| {
                        Self::hear(&link, number, event);
                    }));
                    state.store.opened(now);
                }
                Step::Close => state.wire = None,
                Step::Send { commands, .. } => state.wire.as_ref().expect("it is open").send(commands),
            }
        }
        while let Some(decided) = state.store.next_decided() {
            let admitted =
                |outcome: tollgate::store::Outcome| outcome.verdicts.iter().all(Verdict::is_admitted);
            let outcome = decided.outcome.map(|answer| admitted(answer.outcome));
            state.decided.push((decided.ticket, outcome));
        }
        let report = state.store.take_report();
        state.report.gave_up = report.gave_up.or(state.report.gave_up);
        state.report.has_recovered |= report.has_recovered;
        state.report.refusals.extend(report.refusals);
        self.changed.notify_all();
        result
    }

    fn hear(link: &Weak<Self>, number: u32, event: Event) {
        let Some(link) = link.upgrade() else { return };
        link.with(|state, now| {
            if state.connections != number || state.wire.is_none() {
                return;
            }
            match event {
                Event::Received(bytes) => state.store.received(bytes, now),
                Event::Closed { failure, .. } => {
                    state.wire = None;
                    state.store.closed(failure, now);
                }
            }
        });
    }

    /// What becomes of a request of this client, under 60 an hour.
    fn request(self: &Arc<Self>, client: u64) -> Result<bool, Failure> {
        let charges = vec![charge(client)];
        let plan = Plan::Certain { charges, known: None, proves: Proves::Nothing };
        let asked = self.with(|state, now| {
            state.tickets += 1;
            let ticket = state.tickets;
            (ticket, state.store.ask(ticket, ticket, plan, now))
        });
        match asked {
            (_, Asked::Refused(.., failure)) => Err(failure),
            (_, Asked::Known(.., outcome)) => Ok(outcome.verdicts.iter().all(Verdict::is_admitted)),
            (ticket, Asked::Waits) => {
                let mut found = None;
                let waits = |state: &mut State| {
                    let place = state.decided.iter().position(|(decided, _)| *decided == ticket);
                    found = place.map(|place| state.decided.swap_remove(place).1);
                    found.is_none()
                };
                let waited = self.changed.wait_timeout_while(self.state(), PATIENCE, waits);
                drop(waited.expect("whole"));
                found.expect("everybody is decided about")
            }
        }
    }
}

fn charge(client: u64) -> Charge {
    let mut name = Fingerprinter::new(&Secret::new([7; 16]));
    name.piece(0, &client.to_le_bytes());
    let client: Fingerprint = name.finish();
    let limit = Limit::sliding_window("60/h".parse().expect("a rate"));
    Charge { client, counter: CounterId(1), limit, cost: 1, scope: 0, enforced: true, stays: Stays::Always }
}

#[test]
fn requests_are_decided_by_redis_and_without_it_if_it_is_gone() {
    let mut server = Server::start("store", &["--requirepass", "right"]);
    let url = format!("redis://127.0.0.1:{}/1", server.port);
    let (link, _timer) = Link::new(&settings_with(&url, r#", "password": "right", "timeout": "10s""#));
    // From many threads at once: exactly the quota.
    let admitted: usize = std::thread::scope(|scope| {
        let admits = |_| scope.spawn(|| (0..20).filter(|_| link.request(1) == Ok(true)).count());
        let threads: Vec<_> = (0..8).map(admits).collect();
        threads.into_iter().map(|thread| thread.join().expect("whole")).sum()
    });
    assert_eq!(admitted, 60);
    assert_eq!(link.state().connections, 1);
    server.kill();
    let gave_up = until("it is given up", || {
        assert!(link.request(2).is_err(), "nobody is there");
        link.state().report.gave_up
    });
    assert_eq!(gave_up, Failure::Connection);
    server.restart();
    until("it is asked again", || link.state().report.has_recovered.then_some(()));
    assert_eq!(link.request(3), Ok(true));
}
