//! What follows from what Redis says.

use super::Store;
use crate::redis::answer::{Answer, Settled};
use crate::redis::conversation::Heard;
use crate::redis::failure::{Failure, Refusal};
use crate::redis::queue::{Batch, Request, Settling};
use crate::redis::settings::OnFailure;
use crate::redis::told::Acts;
use crate::store::Settlement;
use crate::time::Time;

impl<W> Store<W> {
    /// Does what follows from one reply. Returns whether Redis does what it is asked, if the reply says anything about that. What has
    /// to be sent once more, since Redis has forgotten the script, is put into `again`.
    pub(super) fn take_in(
        &mut self,
        heard: Heard<W>,
        again: &mut Batch<W>,
        now: Time,
    ) -> Option<Result<(), Failure>> {
        match heard {
            // That it takes a login, or a script, says nothing about requests.
            Heard::Nothing | Heard::Login(Ok(())) | Heard::Script(Ok(())) => None,
            Heard::Login(Err(failure)) => Some(Err(failure)),
            Heard::Script(Err(failure)) => {
                self.script_is_missing = true;
                Some(Err(failure))
            }
            Heard::Memory { evicts } => {
                self.report.evicts = Some(evicts);
                None
            }
            // Whoever has no right to hear of it is charged all the same.
            Heard::Acts(acts) => {
                self.heard_of(acts);
                None
            }
            // It is sent once more, with the script.
            Heard::Probed(Err(Failure::NoScript), false) => {
                self.script_is_missing = true;
                None
            }
            Heard::Probed(result, _) => Some(result),
            Heard::Late(answer) => {
                self.heard_late(answer);
                None
            }
            Heard::Settled(settling, Err(Failure::NoScript)) if !settling.is_retried => {
                self.script_is_missing = true;
                again.settlements.push(Settling { is_retried: true, ..settling });
                None
            }
            Heard::Settled(settling, outcome) => Some(self.settled(&settling.settlement, outcome, now)),
            Heard::Charged(request, Err(Failure::NoScript)) if !request.is_retried => {
                self.script_is_missing = true;
                again.requests.push(Request { is_retried: true, ..request });
                None
            }
            Heard::Charged(request, outcome) => {
                // In the order in which Redis has answered: what operators do afterwards undoes it.
                if let (Some(_), Ok(answer)) = (&request.waiter, &outcome) {
                    self.memory.learn(&request.plan, answer, now);
                }
                let result = outcome.as_ref().map(|_| ()).map_err(|failure| *failure);
                self.script_is_missing |= result == Err(Failure::NoScript);
                self.decide(request, outcome);
                Some(result)
            }
            Heard::Nonsense => {
                if let Some(conversation) = self.conversation.take() {
                    self.must_close = true;
                    self.end(conversation, Failure::Reply, false);
                }
                Some(Err(Failure::Reply))
            }
        }
    }

    fn settled(
        &mut self,
        settlement: &Settlement,
        outcome: Result<Settled, Failure>,
        now: Time,
    ) -> Result<(), Failure> {
        match outcome {
            Ok(Settled { proved_for, events, .. }) => {
                self.report.events += events;
                if let (Some(proof), Some(lasts)) = (settlement.proof, proved_for) {
                    self.memory.noted(proof, lasts, now);
                }
                Ok(())
            }
            Err(failure) => {
                self.lose(1);
                Err(failure)
            }
        }
    }

    /// What operators have done there. If that is news, what was remembered may not be true any more.
    fn heard_of(&mut self, acts: Result<Acts, Refusal>) {
        match acts {
            Ok(acts) => {
                if self.hearsay.is_news(acts.number) {
                    self.forget();
                }
                self.report.acts = Some(acts);
            }
            Err(refusal) => self.report.note(Some(&refusal)),
        }
    }

    /// The answer to a request that was decided without Redis. What it was charged stays if it may have been let through.
    fn heard_late(&mut self, answer: Result<Answer, Failure>) {
        if let (Ok(answer), OnFailure::Deny) = (answer, self.on_failure) {
            self.undo(answer);
        }
    }
}
