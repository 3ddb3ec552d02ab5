//! What Redis answers.

use std::time::Duration;

use super::failure::Failure;
use super::resp::Reply;
use crate::limit::Verdict;
use crate::store::{Events, Outcome, Plan, Settlement};
use crate::time::Time;

/// What became of a request's charges.
#[derive(Debug)]
pub struct Answer {
    /// For how long its proof still counts, whatever its counters do; `None` if it is not known.
    pub proved_for: Option<Duration>,
    /// What became of the charges that it has then.
    pub outcome: Outcome,
    /// The time there.
    pub now: Time,
}

/// What became of a settlement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settled {
    /// For how long the proof that was noted counts.
    pub proved_for: Option<Duration>,
    /// What else happened.
    pub events: Events,
    /// The time there.
    pub now: Time,
}

impl Answer {
    /// Reads the reply to the command that charges this plan.
    ///
    /// # Errors
    /// If it is an error, or is not what the script returns.
    pub fn read(reply: &Reply, plan: &Plan) -> Result<Self, Failure> {
        let (head, verdicts) = numbers(reply)?;
        let charges = plan.charges(head.is_proved);
        let (verdicts, rest) = verdicts.as_chunks::<4>();
        if verdicts.len() != charges.len() || !rest.is_empty() {
            return Err(Failure::Reply);
        }
        let mut outcome = Outcome { events: head.events, ..Outcome::default() };
        for (charge, [admitted, tells, reset, mark]) in charges.iter().zip(verdicts) {
            outcome.verdicts.push(match admitted {
                0 => Verdict::Denied { wait: Duration::from_micros(*tells) },
                1 => Verdict::Admitted {
                    remaining: u32::try_from(*tells).map_err(|_| Failure::Reply)?,
                    reset: Duration::from_micros(*reset),
                },
                _ => return Err(Failure::Reply),
            });
            if *mark > 0 {
                outcome.receipt.add(charge, Time::from_micros(*mark));
            }
        }
        Ok(Self { proved_for: head.is_proved.then_some(head.proved_for), outcome, now: head.now })
    }

    /// Whether the proof of the request's credential was known.
    #[must_use]
    pub const fn is_proved(&self) -> bool {
        self.proved_for.is_some()
    }

    /// What gives all of it back.
    #[must_use]
    pub fn undo(self) -> Settlement {
        Settlement::undo(self.outcome.receipt)
    }
}

impl Settled {
    /// Reads the reply to a command that settles.
    ///
    /// # Errors
    /// As for [`Answer::read`].
    pub fn read(reply: &Reply) -> Result<Self, Failure> {
        let (head, rest) = numbers(reply)?;
        if !rest.is_empty() {
            return Err(Failure::Reply);
        }
        let proved_for = head.is_proved.then_some(head.proved_for);
        Ok(Self { proved_for, events: head.events, now: head.now })
    }
}

/// What every reply of the script begins with.
struct Head {
    now: Time,
    is_proved: bool,
    proved_for: Duration,
    events: Events,
}

fn numbers(reply: &Reply) -> Result<(Head, Vec<u64>), Failure> {
    let list = match reply {
        Reply::Error(message) => return Err(Failure::of_error(message)),
        Reply::List(Some(list)) => list,
        _ => return Err(Failure::Reply),
    };
    let number = |reply: &Reply| match reply {
        Reply::Number(number) => u64::try_from(*number).map_err(|_| Failure::Reply),
        _ => Err(Failure::Reply),
    };
    let numbers = list.iter().map(number).collect::<Result<Vec<_>, _>>()?;
    let Some(([now, is_proved, proved_for, broken], rest)) = numbers.split_first_chunk() else {
        return Err(Failure::Reply);
    };
    let corrupt = u32::try_from(*broken).map_err(|_| Failure::Reply)?;
    let head = Head {
        now: Time::from_micros(*now),
        is_proved: *is_proved == 1,
        proved_for: Duration::from_micros(*proved_for),
        events: Events { corrupt, ..Events::default() },
    };
    Ok((head, rest.to_vec()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limit::Limit;
    use crate::store::{Charge, CounterId, Fingerprint, Proves, Stays};

    /// What is read of these numbers as the answer to a request with one charge.
    fn read(numbers: &[i64]) -> Result<Answer, Failure> {
        let limit = Limit::sliding_window("5/min".parse().expect("a rate"));
        let client = Fingerprint::from_bytes([1; Fingerprint::SIZE]);
        let charge = Charge {
            client,
            counter: CounterId(1),
            limit,
            cost: 1,
            scope: 0,
            enforced: true,
            stays: Stays::Always,
        };
        let plan = Plan::Certain { charges: vec![charge], known: None, proves: Proves::Nothing };
        Answer::read(&Reply::List(Some(numbers.iter().copied().map(Reply::Number).collect())), &plan)
    }

    #[test]
    fn an_answer_has_a_verdict_for_each_charge_and_no_more() {
        let answer = read(&[9, 0, 0, 0, 1, 4, 60, 9]).expect("an answer");
        assert_eq!(
            answer.outcome.verdicts,
            [Verdict::Admitted { remaining: 4, reset: Duration::from_micros(60) }]
        );
        assert!(!answer.is_proved() && !answer.outcome.receipt.is_empty());
        let answer = read(&[9, 0, 0, 0, 0, 50, 0, 0]).expect("an answer");
        assert_eq!(answer.outcome.verdicts, [Verdict::Denied { wait: Duration::from_micros(50) }]);
        assert!(answer.outcome.receipt.is_empty());
        for numbers in [
            &[][..],
            &[9, 0, 0],
            &[9, 0, 0, 0],
            &[9, 0, 0, 0, 1, 4, 60],
            &[9, 0, 0, 0, 1, 4, 60, 9, 9],
            &[9, 0, 0, 0, 1, 4, 60, 9, 1, 4, 60, 9],
            &[9, 0, 0, 0, 2, 4, 60, 9],
            &[9, 0, 0, 0, 1, 1 << 32, 60, 9],
            &[-1, 0, 0, 0, 1, 4, 60, 9],
        ] {
            assert_eq!(read(numbers).map(|_| ()), Err(Failure::Reply), "{numbers:?}");
        }
    }
}
