//! A look at all clients, in steps that hold nobody up.

use std::rc::Rc;

use super::{Answer, Ask, Listed, Shown, host, view};
use crate::console::Ranking;
use crate::filter::shared::SharedCells;
use crate::store::{Seen, Table, Watched};
use crate::time::Time;

/// So many cells are looked at in one step, which takes less than a millisecond.
const CELLS: u32 = 256;

/// A look at all clients.
pub(super) struct Scan {
    shown: Rc<Shown>,
    watched: Vec<Watched>,
    ranking: Ranking,
    next: u32,
    is_complete: bool,
}

impl Scan {
    pub(super) fn new(shown: Rc<Shown>) -> Self {
        let watched = shown.book.watched();
        Self { shown, watched, ranking: Ranking::default(), next: 0, is_complete: true }
    }

    /// Looks at some more cells. Returns whether that were all.
    pub(super) fn step(&mut self, table: &Table<&SharedCells>, now: Time) -> bool {
        let last = table.last_cell();
        let end = last.min(self.next + CELLS - 1);
        for cell in self.next..=end {
            match table.survey(cell, &self.watched, now) {
                Ok(seen) => seen.into_iter().for_each(|seen| self.add(seen)),
                Err(_) => self.is_complete = false,
            }
        }
        self.next = end + 1;
        end == last
    }

    fn add(&mut self, Seen { client, standings, .. }: Seen) {
        let listed = standings.into_iter().map(|(known, verdict)| Listed { client, known, verdict });
        self.ranking.add(&self.shown.book, listed);
    }

    /// The answer to one who has waited for it.
    pub(super) fn answer(&self, ask: &Ask) -> Answer {
        let Ask::Clients { scope, policy, limit } = ask else { return super::unreachable() };
        let wanted = (scope.as_deref(), policy.as_deref());
        let unix = host::unix_time();
        Answer::json(&view::clients(&self.shown.book, &self.ranking, wanted, *limit, self.is_complete, unix))
    }
}
