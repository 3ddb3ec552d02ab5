//! The rank curve: how many clients went beyond a limit, for each limit that one might choose.

/// What of a scope's clients is known for one window.
#[derive(Clone, Debug, Default)]
pub(crate) struct Curve {
    /// Limits in ascending order, and how many clients went beyond each.
    stops: Vec<(u32, u64)>,
    clients: u64,
}

/// The mantissas at which there is always a stop: what people write, and what `suggest` suggests.
const NICE: [u32; 10] = [10, 12, 15, 20, 25, 30, 40, 50, 60, 80];
/// From one stop to the next it is a twelfth more. So there are 300 stops up to 2^32, and 170 up to a million.
const STEP: u32 = 12;

impl Curve {
    /// Of each client's highest rate, in any order. There is a stop at `limit`.
    pub(crate) fn of(mut peaks: Vec<u32>, limit: u32) -> Self {
        peaks.sort_unstable();
        let most = peaks.last().copied().unwrap_or_default().max(limit).max(10);
        let beyond = |limit: u32| (peaks.len() - peaks.partition_point(|peak| *peak <= limit)) as u64;
        let limits = limits(most.saturating_add(most / 4), limit);
        Self {
            stops: limits.into_iter().map(|limit| (limit, beyond(limit))).collect(),
            clients: peaks.len() as u64,
        }
    }

    /// Limits, and how many clients went beyond each.
    pub(crate) fn stops(&self) -> &[(u32, u64)] {
        &self.stops
    }

    /// How many clients there are.
    pub(crate) const fn clients(&self) -> u64 {
        self.clients
    }

    /// The place of the last stop that is not above this limit.
    pub(crate) fn place(&self, limit: u32) -> usize {
        self.stops.partition_point(|(stop, _)| *stop <= limit).saturating_sub(1)
    }
}

/// This limit, and others from 1 to one that is at least `most`.
fn limits(most: u32, limit: u32) -> Vec<u32> {
    let mut limits = vec![limit];
    let mut next = 1_u32;
    loop {
        limits.push(next);
        if next >= most {
            break;
        }
        next = next.saturating_add((next / STEP).max(1));
    }
    let mut scale = 1_u32;
    while let Some(larger) = scale.checked_mul(10).filter(|_| scale <= most / 10) {
        limits.extend(NICE.iter().filter_map(|nice| nice.checked_mul(scale)).filter(|nice| *nice <= most));
        scale = larger;
    }
    limits.sort_unstable();
    limits.dedup();
    limits
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn it_tells_how_many_go_beyond() {
        let curve = Curve::of(vec![3, 1, 7, 7, 100], 60);
        let beyond = |limit| curve.stops()[curve.place(limit)];
        assert_eq!(
            [1, 2, 3, 6, 7, 60, 100].map(beyond),
            [(1, 4), (2, 4), (3, 3), (6, 3), (7, 1), (60, 1), (100, 0)]
        );
        assert_eq!(curve.clients(), 5);
        assert_eq!(Curve::of(Vec::new(), 0).stops()[..2], [(0, 0), (1, 0)]);
    }

    proptest! {
        #[test]
        fn it_is_small_whatever_the_log(peaks in proptest::collection::vec(any::<u32>(), 0..50), limit: u32) {
            let curve = Curve::of(peaks.clone(), limit);
            prop_assert!(curve.stops().len() <= 420, "{}", curve.stops().len());
            prop_assert!(curve.stops().is_sorted());
            prop_assert_eq!(curve.stops()[curve.place(limit)].0, limit);
            for (limit, beyond) in curve.stops() {
                prop_assert_eq!(peaks.iter().filter(|peak| *peak > limit).count() as u64, *beyond);
            }
            prop_assert_eq!(curve.stops().last().map(|stop| stop.1), Some(0));
        }
    }
}
