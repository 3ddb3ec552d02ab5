//! Metrics: Envoy's, which are made while a configuration is opened, and how far each has come, which Envoy does not tell.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use tollgate::adapter::{self, Kind};

use crate::abi::{self, Counter, Gauge, Histogram, Opening, Scheduler};
use crate::lock::lock;

/// How far each metric has come, of all configurations together.
static VALUES: Mutex<Option<HashMap<String, Arc<AtomicU64>>>> = Mutex::new(None);

/// The metrics of one configuration.
#[derive(Clone)]
pub(crate) struct Meter(Arc<Inner>);

struct Inner {
    envoy: abi::Meter,
    /// While it is opened, and of what is asked for later, which is only looked at.
    making: Mutex<Vec<Metric>>,
    /// Those that are there once it is open.
    made: OnceLock<Box<[Metric]>>,
    /// Values of histograms from a thread of ours, and what has Envoy's main thread come by for them.
    left: Mutex<Vec<(Histogram, u64)>>,
    scheduler: Scheduler,
}

struct Metric {
    name: String,
    value: Arc<AtomicU64>,
    envoys: Envoys,
}

/// What it is in Envoy.
#[derive(Clone, Copy)]
enum Envoys {
    Counter(Counter),
    Gauge(Gauge),
    Histogram(Histogram),
}

impl Meter {
    /// None is there yet.
    pub(crate) fn new(at: &mut Opening<'_>) -> Self {
        let (envoy, scheduler) = (at.meter().clone(), at.scheduler());
        let (making, left) = (Mutex::default(), Mutex::default());
        Self(Arc::new(Inner { envoy, making, made: OnceLock::new(), left, scheduler }))
    }

    /// Envoy's main thread has come by.
    pub(crate) fn collect(&self) {
        for (histogram, value) in std::mem::take(&mut *lock(&self.0.left)) {
            let _ = self.0.envoy.note(histogram, value);
        }
    }

    /// The configuration is open: from now on what is asked for is only looked at.
    pub(crate) fn is_open(&self) {
        let made = std::mem::take(&mut *lock(&self.0.making));
        let _ = self.0.made.set(made.into());
    }

    fn made(&self) -> &[Metric] {
        self.0.made.get().map_or(&[], |made| made)
    }

    fn ask_for(&self, kind: Kind, name: &str) -> u32 {
        let made = self.made();
        let mut making = lock(&self.0.making);
        let known = made.iter().chain(&*making).position(|metric| metric.name == name);
        let place = known.unwrap_or_else(|| {
            making.push(self.make(kind, name));
            made.len() + making.len() - 1
        });
        u32::try_from(place).unwrap_or(u32::MAX)
    }

    fn make(&self, kind: Kind, name: &str) -> Metric {
        let envoys = match kind {
            Kind::Counter => Envoys::Counter(self.0.envoy.counter(name)),
            Kind::Gauge => Envoys::Gauge(self.0.envoy.gauge(name)),
            Kind::Histogram => Envoys::Histogram(self.0.envoy.histogram(name)),
        };
        let value = lock(&VALUES).get_or_insert_default().entry(name.to_owned()).or_default().clone();
        Metric { name: name.to_owned(), value, envoys }
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
        let Some(metric) = self.made().get(metric as usize) else { return };
        // What is negative is taken off: sums of 64 bits wrap.
        metric.value.fetch_add(by.cast_unsigned(), Ordering::Relaxed);
        match metric.envoys {
            Envoys::Counter(counter) => self.0.envoy.count(counter, by.cast_unsigned()),
            Envoys::Gauge(gauge) => self.0.envoy.add(gauge, by),
            Envoys::Histogram(_) => {}
        }
    }

    fn record(&self, metric: u32, value: u64) {
        let Some(metric) = self.made().get(metric as usize) else { return };
        metric.value.store(value, Ordering::Relaxed);
        match metric.envoys {
            Envoys::Counter(_) => {}
            Envoys::Gauge(gauge) => self.0.envoy.set(gauge, value),
            Envoys::Histogram(histogram) => {
                if !self.0.envoy.note(histogram, value) {
                    let mut left = lock(&self.0.left);
                    left.push((histogram, value));
                    if left.len() == 1 {
                        self.0.scheduler.schedule(0);
                    }
                }
            }
        }
    }

    fn value(&self, metric: u32) -> u64 {
        let (made, metric) = (self.made(), metric as usize);
        if let Some(metric) = made.get(metric) {
            return metric.value.load(Ordering::Relaxed);
        }
        let making = lock(&self.0.making);
        let late = metric.checked_sub(made.len()).and_then(|place| making.get(place));
        late.map_or(0, |metric| metric.value.load(Ordering::Relaxed))
    }
}
