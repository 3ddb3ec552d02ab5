//! Questions to Redis on their way: each on a connection of its own, opened by the root context.

use std::cell::RefCell;
use std::time::Duration;

use super::Desk;
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
    settings: Settings,
    errand: Errand,
    since: Time,
    connection: Option<u32>,
}

impl Errands {
    /// Puts a question to this Redis. It is sent with the next tick.
    pub(super) fn put(&self, purpose: Purpose, settings: &Settings, question: Question, now: Time) {
        let (settings, errand) = (settings.clone(), Errand::new(settings, question));
        self.0.borrow_mut().push(Running { purpose, settings, errand, since: now, connection: None });
    }

    /// Nobody waits for this job's answers any more.
    pub(super) fn forget(&self, host: &impl Desk, job: u32) {
        for running in self.0.borrow_mut().extract_if(.., |running| running.purpose.0 == job) {
            if let Some(connection) = running.connection {
                host.close(connection);
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
    pub(super) fn go_on(&self, host: &impl Desk) -> Vec<(Purpose, Outcome)> {
        let now = host.now();
        let mut over = Vec::new();
        let mut all = self.0.borrow_mut();
        for running in all.iter_mut().filter(|running| running.connection.is_none()) {
            running.connection = host.open(&running.settings, running.errand.commands());
        }
        for running in
            all.extract_if(.., |running| running.connection.is_none() || now.since(running.since) > PATIENCE)
        {
            let reason = match running.connection {
                None => format!(
                    "Redis cannot be reached: no connection can be opened {}",
                    running.settings.place()
                ),
                Some(connection) => {
                    host.close(connection);
                    format!("Redis has not answered within {} s", PATIENCE.as_secs())
                }
            };
            over.push((running.purpose, Err(Trouble { status: 502, reason })));
        }
        over
    }

    /// Bytes have come. Returns what is over by that.
    pub(super) fn on_received(
        &self,
        host: &impl Desk,
        connection: u32,
        bytes: &[u8],
    ) -> Option<(Purpose, Outcome)> {
        let mut all = self.0.borrow_mut();
        let place = all.iter().position(|running| running.connection == Some(connection))?;
        let outcome = all[place].errand.hear(bytes)?;
        let running = all.remove(place);
        host.close(connection);
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
        let reason =
            format!("Redis cannot be reached: the connection {} is closed", running.settings.place());
        Some((running.purpose, Err(Trouble { status: 502, reason })))
    }
}
