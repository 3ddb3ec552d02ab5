//! A look at all clients, in steps that hold nobody up: first those in Redis, then those in the table.

use std::sync::Arc;
use std::time::Duration;

use super::Shown;
use super::errands::Outcome;
use super::jobs::watched_in;
use crate::adapter::host::Host;
use crate::console::{Answer, Ask, Listed, Ranking, view};
use crate::redis::{Brought, Cursor, Question, Settings};
use crate::store::{Counters, Seen, Watched};
use crate::time::Time;

/// So long one step takes: others are served in between.
pub(super) const STEP: Duration = Duration::from_millis(1);
/// So long all Redises may take together: a Redis can be full of other keys.
const PATIENCE: Duration = Duration::from_secs(5);

/// So many clients are looked at in one Redis at the most.
const MOST_IN_REDIS: usize = 100_000;

/// A look at all clients.
pub(super) struct Scan<H: Host> {
    shown: Arc<Shown<H>>,
    since: Time,
    watched: Vec<Watched>,
    /// The Redises that are still to be looked at, the last one first.
    redises: Vec<Survey>,
    /// Those whose clients could not be looked at: what this proxy counts instead is shown.
    failed: Vec<Settings>,
    ranking: Ranking,
    next: u32,
    is_complete: bool,
    problem: Option<String>,
}

struct Survey {
    settings: Settings,
    known: Vec<usize>,
    watched: Vec<Watched>,
    cursor: Cursor,
    looked_at: usize,
}

impl<H: Host> Scan<H> {
    pub(super) fn new(shown: Arc<Shown<H>>, now: Time) -> Self {
        let watched = shown.book.watched();
        let survey = |settings: &Settings| {
            let (known, watched) = watched_in(&shown.book, settings);
            Survey { settings: settings.clone(), known, watched, cursor: Cursor::default(), looked_at: 0 }
        };
        let redises = shown.book.redises().into_iter().map(survey).collect();
        let (failed, ranking) = (Vec::new(), Ranking::default());
        let problem = shown.book.problem();
        let is_complete = problem.is_none();
        Self { shown, since: now, watched, redises, failed, ranking, next: 0, is_complete, problem }
    }

    /// The question that comes next, if a Redis is still to be looked at.
    pub(super) fn question(&mut self, now: Time) -> Option<(&Settings, Question)> {
        if !self.redises.is_empty() && now.since(self.since) > PATIENCE {
            self.redises.clear();
            self.is_complete = false;
        }
        let Survey { settings, watched, cursor, .. } = self.redises.last()?;
        Some((settings, Question::Survey { cursor: *cursor, watched: watched.clone() }))
    }

    /// Takes in the answer to that.
    pub(super) fn take(&mut self, outcome: Outcome) {
        let Some(survey) = self.redises.last_mut() else { return };
        match outcome {
            Ok(Brought::Surveyed(surveyed)) => {
                survey.looked_at += surveyed.found.len();
                for Seen { client, standings, .. } in surveyed.found {
                    let listed = standings.into_iter().filter_map(|(at, verdict)| {
                        Some(Listed { client, known: *survey.known.get(at)?, verdict })
                    });
                    self.ranking.add(&self.shown.book, listed);
                }
                let is_enough = survey.looked_at >= MOST_IN_REDIS;
                match surveyed.next {
                    Some(cursor) if !is_enough => survey.cursor = cursor,
                    next => {
                        self.is_complete &= next.is_none();
                        self.redises.pop();
                    }
                }
            }
            Ok(_) => {
                self.redises.pop();
            }
            Err(problem) => {
                self.is_complete = false;
                self.problem = Some(problem.reason);
                self.failed.extend(self.redises.pop().map(|survey| survey.settings));
            }
        }
    }

    /// Looks at some more cells. Returns whether that were all.
    pub(super) fn step(&mut self, counters: &H::Counters, host: &H) -> bool {
        let (now, last) = (host.now(), counters.last_cell());
        while self.next <= last {
            match counters.survey(self.next, &self.watched, now) {
                Ok(seen) => seen.into_iter().for_each(|seen| self.add(seen)),
                Err(_) => self.is_complete = false,
            }
            self.next += 1;
            if host.now().since(now) >= STEP {
                break;
            }
        }
        self.next > last
    }

    fn add(&mut self, Seen { client, standings, .. }: Seen) {
        let (book, failed) = (&self.shown.book, &self.failed);
        let counts = |known: usize| {
            let policy = book.known()[known].policy;
            !book.is_in_redis(policy) || failed.iter().any(|settings| book.is_in(policy, settings))
        };
        let listed = standings.into_iter().filter(|(known, _)| counts(*known));
        let listed: Vec<_> = listed.map(|(known, verdict)| Listed { client, known, verdict }).collect();
        if !listed.is_empty() {
            self.ranking.add(book, listed);
        }
    }

    /// The answer to one who has waited for it.
    pub(super) fn answer(&self, ask: &Ask, unix: u64) -> Answer {
        let Ask::Clients { scope, policy, limit } = ask else { return super::unreachable() };
        let wanted = (scope.as_deref(), policy.as_deref());
        let problem = self.problem.as_deref();
        let complete = self.is_complete;
        Answer::json(&view::clients(&self.shown.book, &self.ranking, wanted, *limit, complete, problem, unix))
    }
}
