//! Metrics: Envoy's, which are made while a configuration is opened, and how far each has come, which Envoy does not tell.
//!
//! What is counted is noted on the thread that counts, and handed to Envoy when its hook ends; or, on a thread of ours, when Envoy's main
//! thread comes by.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use tollgate::adapter::{self, Kind};

use crate::abi::{Config, Counter, Gauge, Histogram, Scheduler};

thread_local! {
    /// What this thread has counted and not handed over: of the configuration whose hook is at work.
    static COUNTED: RefCell<Vec<(u32, u64)>> = const { RefCell::new(Vec::new()) };
}

/// How far each metric has come, of all configurations together.
static VALUES: Mutex<Option<HashMap<String, Arc<AtomicU64>>>> = Mutex::new(None);

/// The metrics of one configuration.
#[derive(Clone, Default)]
pub(crate) struct Meter(Arc<Inner>);

#[derive(Default)]
struct Inner {
    /// While it is opened.
    making: Mutex<Vec<Metric>>,
    /// From then on.
    made: OnceLock<Box<[Metric]>>,
    /// What threads of ours have counted.
    left: Mutex<Vec<(u32, u64)>>,
    scheduler: OnceLock<Scheduler>,
}

struct Metric {
    name: String,
    kind: Kind,
    value: Arc<AtomicU64>,
    envoys: Envoys,
}

/// What it is in Envoy.
#[derive(Clone, Copy)]
enum Envoys {
    Counter(Counter),
    Gauge(Gauge),
    Histogram(Histogram),
    /// It was not made: it is only looked at.
    None,
}

impl Meter {
    /// Makes all metrics that were asked for. What is asked for later is only looked at.
    pub(crate) fn make(&self, config: Config<'_>, scheduler: Scheduler) {
        let mut made = std::mem::take(&mut *lock(&self.0.making));
        for metric in &mut made {
            metric.envoys = match metric.kind {
                Kind::Counter => Envoys::Counter(config.counter(&metric.name)),
                Kind::Gauge => Envoys::Gauge(config.gauge(&metric.name)),
                Kind::Histogram => Envoys::Histogram(config.histogram(&metric.name)),
            };
        }
        let _ = self.0.made.set(made.into());
        let _ = self.0.scheduler.set(scheduler);
    }

    /// A hook of Envoy's ends: hands over what was counted in it.
    pub(crate) fn flush(&self, config: Config<'_>) {
        COUNTED.with_borrow_mut(|counted| self.hand_over(config, counted.drain(..)));
    }

    /// Work on a thread of ours ends: has Envoy's main thread come by for what was counted in it.
    pub(crate) fn leave(&self) {
        let counted = COUNTED.take();
        if counted.is_empty() {
            return;
        }
        lock(&self.0.left).extend(counted);
        if let Some(scheduler) = self.0.scheduler.get() {
            scheduler.schedule(0);
        }
    }

    /// Envoy's main thread has come by.
    pub(crate) fn collect(&self, config: Config<'_>) {
        let left = std::mem::take(&mut *lock(&self.0.left));
        self.hand_over(config, left.into_iter());
    }

    fn hand_over(&self, config: Config<'_>, noted: impl Iterator<Item = (u32, u64)>) {
        for (metric, by) in noted {
            match self.made(metric).map(|metric| (metric.envoys, &metric.value)) {
                Some((Envoys::Counter(counter), _)) => config.count(counter, by),
                // What it is by now: somebody else may have changed it meanwhile.
                Some((Envoys::Gauge(gauge), value)) => config.set(gauge, value.load(Ordering::Relaxed)),
                Some((Envoys::Histogram(histogram), _)) => config.note(histogram, by),
                Some((Envoys::None, _)) | None => {}
            }
        }
    }

    fn made(&self, metric: u32) -> Option<&Metric> {
        self.0.made.get()?.get(metric as usize)
    }

    fn ask_for(&self, kind: Kind, name: &str) -> u32 {
        let mut values = lock(&VALUES);
        let value = values.get_or_insert_default().entry(name.to_owned()).or_default().clone();
        drop(values);
        let made = self.0.made.get().map_or(&[][..], |made| made);
        let mut making = lock(&self.0.making);
        let known = made.iter().chain(&*making).position(|metric| metric.name == name);
        let place = known.unwrap_or_else(|| {
            making.push(Metric { name: name.to_owned(), kind, value, envoys: Envoys::None });
            made.len() + making.len() - 1
        });
        u32::try_from(place).unwrap_or(u32::MAX)
    }
}

impl adapter::Meter for Meter {
    fn define(&self, kind: Kind, name: &str) -> u32 {
        self.ask_for(kind, name)
    }

    fn prepare(&self, kind: Kind, name: &str) {
        self.ask_for(kind, name);
    }

    fn add(&self, metric: u32, by: i64) {
        let Some(known) = self.made(metric) else { return };
        // Less is more, the other way round.
        known.value.fetch_add(by.cast_unsigned(), Ordering::Relaxed);
        COUNTED.with_borrow_mut(|counted| counted.push((metric, by.cast_unsigned())));
    }

    fn record(&self, metric: u32, value: u64) {
        let Some(known) = self.made(metric) else { return };
        known.value.store(value, Ordering::Relaxed);
        COUNTED.with_borrow_mut(|counted| counted.push((metric, value)));
    }

    fn value(&self, metric: u32) -> u64 {
        if let Some(known) = self.made(metric) {
            return known.value.load(Ordering::Relaxed);
        }
        let made = self.0.made.get().map_or(0, |made| made.len());
        let making = lock(&self.0.making);
        (metric as usize)
            .checked_sub(made)
            .and_then(|place| making.get(place))
            .map_or(0, |metric| metric.value.load(Ordering::Relaxed))
    }
}

/// Whoever panics with it leaves it whole.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
