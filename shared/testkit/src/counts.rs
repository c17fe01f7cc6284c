//! What a test's thread counts.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use metrics::{
    Counter, CounterFn, Gauge, GaugeFn, Histogram, HistogramFn, Key, KeyName, LocalRecorderGuard, Metadata, Recorder,
    SharedString, Unit,
};

/// Counters, gauges and histograms of this thread.
#[derive(Debug, Default)]
pub struct Metrics(Arc<Mutex<Counts>>);

#[derive(Debug, Default)]
struct Counts {
    counters: BTreeMap<String, u64>,
    values: BTreeMap<String, Vec<f64>>,
}

impl Metrics {
    /// Begins to count, until the guard is dropped.
    pub fn begin(&self) -> LocalRecorderGuard<'_> {
        metrics::set_default_local_recorder(self)
    }

    /// Every counter that counted something, by its name and labels: `CheckFailed Step=token`.
    pub fn counters(&self) -> BTreeMap<String, u64> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).counters.clone()
    }

    /// What was recorded under this name and these labels, or what the gauge was set to, in order.
    pub fn values(&self, name: &str) -> Vec<f64> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).values.get(name).cloned().unwrap_or_default()
    }

    fn cell(&self, key: &Key) -> Arc<Cell> {
        let labels = key.labels().map(|label| format!(" {}={}", label.key(), label.value()));
        let name = key.name().to_owned() + &labels.collect::<String>();
        Arc::new(Cell { name, counts: Arc::clone(&self.0) })
    }
}

/// One counter, gauge or histogram.
struct Cell {
    name: String,
    counts: Arc<Mutex<Counts>>,
}

impl Cell {
    /// What was recorded last; 0 before.
    fn newest(&self) -> f64 {
        let counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        counts.values.get(&self.name).and_then(|values| values.last()).copied().unwrap_or_default()
    }
}

impl CounterFn for Cell {
    fn increment(&self, value: u64) {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        *counts.counters.entry(self.name.clone()).or_default() += value;
    }

    fn absolute(&self, value: u64) {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        counts.counters.insert(self.name.clone(), value);
    }
}

impl HistogramFn for Cell {
    fn record(&self, value: f64) {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        counts.values.entry(self.name.clone()).or_default().push(value);
    }
}

impl GaugeFn for Cell {
    fn increment(&self, value: f64) {
        self.set(self.newest() + value);
    }

    fn decrement(&self, value: f64) {
        self.set(self.newest() - value);
    }

    fn set(&self, value: f64) {
        self.record(value);
    }
}

impl Recorder for Metrics {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        Counter::from_arc(self.cell(key))
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::from_arc(self.cell(key))
    }

    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::from_arc(self.cell(key))
    }
}
