//! Questions to Redis on their way: each on a connection of its own, opened by the root context.

use std::cell::RefCell;
use std::time::Duration;

use proxy_wasm::hostcalls;

use crate::filter::host;
use crate::filter::redis::received;
use crate::redis::{Brought, Errand, Question, Refused, Settings};
use crate::time::Time;

/// After so long without an answer there is none.
const PATIENCE: Duration = Duration::from_secs(2);

/// What an errand is for: a job, and which of its questions.
pub(super) type Purpose = (u32, usize);

/// An answer, or why there is none.
pub(super) type Outcome = Result<Brought, Trouble>;

/// Why there is no answer.
#[derive(Clone, Debug)]
pub(super) struct Trouble {
    /// The HTTP status of an act that has failed by it.
    pub(super) status: u16,
    /// In words.
    pub(super) reason: String,
}

/// Questions on their way.
#[derive(Default)]
pub(super) struct Errands(RefCell<Vec<Running>>);

struct Running {
    purpose: Purpose,
    cluster: String,
    errand: Errand,
    since: Time,
    connection: Option<u32>,
}

impl Errands {
    /// Puts a question to this Redis. It is sent with the next tick.
    pub(super) fn put(&self, purpose: Purpose, settings: &Settings, question: Question) {
        let (cluster, errand) = (settings.cluster.clone(), Errand::new(settings, question));
        self.0.borrow_mut().push(Running { purpose, cluster, errand, since: host::now(), connection: None });
    }

    /// Nobody waits for this job's answers any more.
    pub(super) fn forget(&self, job: u32) {
        for running in self.0.borrow_mut().extract_if(.., |running| running.purpose.0 == job) {
            if let Some(connection) = running.connection {
                let _ = hostcalls::cancel_grpc_stream(connection);
            }
        }
    }

    /// Whether anybody is on his way.
    pub(super) fn are_on_their_way(&self) -> bool {
        !self.0.borrow().is_empty()
    }

    /// Whether one of this job is.
    pub(super) fn is_on_its_way(&self, job: u32) -> bool {
        self.0.borrow().iter().any(|running| running.purpose.0 == job)
    }

    /// Sends what has not been sent. Only the root context may call this. Returns what is over without an answer.
    pub(super) fn go_on(&self) -> Vec<(Purpose, Outcome)> {
        let now = host::now();
        let mut over = Vec::new();
        let mut all = self.0.borrow_mut();
        for running in all.iter_mut().filter(|running| running.connection.is_none()) {
            running.connection = open(running);
        }
        for running in
            all.extract_if(.., |running| running.connection.is_none() || now.since(running.since) > PATIENCE)
        {
            let reason = match running.connection {
                None => format!(
                    "Redis cannot be reached: the cluster {} does not take a connection",
                    running.cluster
                ),
                Some(connection) => {
                    let _ = hostcalls::cancel_grpc_stream(connection);
                    format!("Redis has not answered within {} s", PATIENCE.as_secs())
                }
            };
            over.push((running.purpose, Err(Trouble { status: 502, reason })));
        }
        over
    }

    /// Bytes have come. Returns what is over by that.
    pub(super) fn on_received(&self, connection: u32, size: usize) -> Option<(Purpose, Outcome)> {
        let mut all = self.0.borrow_mut();
        let place = all.iter().position(|running| running.connection == Some(connection))?;
        let outcome = all[place].errand.hear(&received(size))?;
        let running = all.remove(place);
        let _ = hostcalls::cancel_grpc_stream(connection);
        let trouble = |refused: Refused| {
            let status = if refused == Refused::TooManyBlocked { 409 } else { 502 };
            Trouble { status, reason: refused.to_string() }
        };
        Some((running.purpose, outcome.map_err(trouble)))
    }

    /// A connection is no more. Returns what is over by that.
    pub(super) fn on_closed(&self, connection: u32) -> Option<(Purpose, Outcome)> {
        let mut all = self.0.borrow_mut();
        let place = all.iter().position(|running| running.connection == Some(connection))?;
        let running = all.remove(place);
        let reason = format!(
            "Redis cannot be reached: the connection through the cluster {} is closed",
            running.cluster
        );
        Some((running.purpose, Err(Trouble { status: 502, reason })))
    }
}

fn open(running: &Running) -> Option<u32> {
    let connection =
        hostcalls::open_grpc_stream(&running.cluster, "tollgate.Redis", "Commands", Vec::new()).ok()?;
    let sent = hostcalls::send_grpc_stream_message(connection, Some(&running.errand.commands()), false);
    if sent.is_err() {
        let _ = hostcalls::cancel_grpc_stream(connection);
    }
    sent.ok().map(|()| connection)
}
