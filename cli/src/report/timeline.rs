//! What happened when: in at most some hundred spans of equal length, however long the log is.

const MICROS: u64 = 1_000_000;
/// So many spans at the most.
const MOST: usize = 240;
/// How long they may be, in seconds. Each is a multiple of the one before, so spans can be joined; then days are doubled.
const WIDTHS: [u64; 13] = [1, 5, 10, 30, 60, 300, 600, 1_800, 3_600, 10_800, 21_600, 43_200, 86_400];

/// Requests over time.
#[derive(Clone, Debug, Default)]
pub(crate) struct Timeline {
    /// How long a span is, in seconds; 0 before the first request.
    width: u64,
    /// The number of the first span, counted from 1970.
    first: u64,
    spans: Vec<Span>,
}

/// One span's requests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) requests: u64,
    pub(crate) denied: u64,
    /// Let through, and denied if no scope were in shadow.
    pub(crate) shadowed: u64,
}

impl Timeline {
    /// A request at this moment, in microseconds since 1970. It may be before others.
    pub(crate) fn count(&mut self, time: u64, is_denied: bool, is_shadowed: bool) {
        let second = time / MICROS;
        if self.width == 0 {
            self.width = 1;
            self.first = second;
        }
        while (second / self.width).saturating_sub(self.first) >= MOST as u64 {
            self.widen();
        }
        let place = usize::try_from((second / self.width).saturating_sub(self.first)).unwrap_or_default();
        if self.spans.len() <= place {
            self.spans.resize(place + 1, Span::default());
        }
        self.spans[place].add(Span {
            requests: 1,
            denied: u64::from(is_denied),
            shadowed: u64::from(is_shadowed),
        });
    }

    fn widen(&mut self) {
        let wider = WIDTHS.iter().copied().find(|width| *width > self.width);
        let wider = wider.unwrap_or(self.width.saturating_mul(2));
        let factor = wider / self.width;
        self.spans = joined(&self.spans, self.first, factor);
        self.first /= factor;
        self.width = wider;
    }

    /// The spans, in order.
    pub(crate) fn spans(&self) -> &[Span] {
        &self.spans
    }

    /// How long each is, in seconds.
    pub(crate) const fn width(&self) -> u64 {
        self.width
    }

    /// When the first one begins, in seconds since 1970.
    pub(crate) const fn start(&self) -> u64 {
        self.first.saturating_mul(self.width)
    }

    /// The same in fewer, longer spans.
    pub(crate) fn coarse(&self, most: usize) -> Self {
        let mut coarse = self.clone();
        while coarse.spans.len() > most.max(2) {
            coarse.widen();
        }
        coarse
    }
}

impl Span {
    fn add(&mut self, other: Self) {
        self.requests += other.requests;
        self.denied += other.denied;
        self.shadowed += other.shadowed;
    }
}

fn joined(spans: &[Span], first: u64, factor: u64) -> Vec<Span> {
    let mut joined: Vec<Span> = Vec::new();
    for (number, span) in (first..).zip(spans) {
        let place = usize::try_from(number / factor - first / factor).unwrap_or_default();
        if joined.len() <= place {
            joined.resize(place + 1, Span::default());
        }
        joined[place].add(*span);
    }
    joined
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn spans_are_those_of_a_clock() {
        let mut timeline = Timeline::default();
        for second in 0..7_200 {
            timeline.count((1_000_003 + second) * MICROS, second % 10 == 0, false);
        }
        assert_eq!((timeline.width(), timeline.spans().len()), (60, 121));
        assert_eq!(timeline.start() % 60, 0);
        assert_eq!(timeline.spans()[60], Span { requests: 60, denied: 6, shadowed: 0 });
        let coarse = timeline.coarse(24);
        assert_eq!((coarse.width(), coarse.spans().len()), (600, 13));
    }

    proptest! {
        #[test]
        fn it_is_small_and_loses_nothing(times in proptest::collection::vec(any::<u64>(), 0..60)) {
            let mut timeline = Timeline::default();
            for time in &times {
                timeline.count(*time, true, false);
            }
            prop_assert!(timeline.spans().len() <= MOST);
            prop_assert_eq!(timeline.spans().iter().map(|span| span.denied).sum::<u64>(), times.len() as u64);
            prop_assert!(timeline.coarse(24).spans().len() <= 24);
        }
    }
}
