//! A cache that is refreshed in the background and serves what it has while its source does not answer.
//!
//! Only then: what the source says now and nobody can read, or what it no longer has, replaces what it said before.
//! Every load that fails is logged here, once.

use std::collections::HashMap;
use std::error::Error;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use store::StoreError;
use tokio::time::{Instant, timeout};
use tracing::{Instrument as _, Span};

use crate::telemetry::{chain, metric};

/// Why a source gave no value.
pub trait LoadError: Error + Send + 'static {
    /// Whether the source did not answer. Then its last answer may still hold. Otherwise it answered with something that
    /// cannot be read.
    fn is_outage(&self) -> bool;
}

impl LoadError for StoreError {
    fn is_outage(&self) -> bool {
        matches!(self, Self::Unavailable { .. })
    }
}

type Loading<V, E> = Pin<Box<dyn Future<Output = Result<Option<V>, E>> + Send>>;

/// Values by key, each loaded when first asked for. `None` is remembered too: there is no such thing.
pub struct Cache<V, E> {
    shared: Arc<Shared<V, E>>,
}

struct Shared<V, E> {
    /// What the values are. Logs say it before the key.
    what: &'static str,
    load: Box<dyn Fn(String) -> Loading<V, E> + Send + Sync>,
    fresh_for: Duration,
    /// Bytes that a value takes besides its fixed size.
    weigh: fn(&V) -> usize,
    entries: Mutex<HashMap<String, Entry<V>>>,
}

struct Entry<V> {
    value: Option<Arc<V>>,
    /// When its source last said so.
    read_at: Instant,
    /// When its source was last asked in vain, or said so.
    asked_at: Instant,
    /// When somebody began to refresh it and has not come back.
    refreshing_since: Option<Instant>,
}

/// An entry this many times older than fresh is refreshed before it is served: an environment that was frozen
/// for hours must not begin with what held hours ago.
const TOO_OLD: u32 = 5;

/// How long to wait for that attempt.
const WAIT: Duration = Duration::from_secs(2);

/// A refresh that has not come back by then never will: it panicked, or was frozen with its environment.
const GIVEN_UP_AFTER: Duration = Duration::from_secs(30);

/// More keys than any deployment has callers; beyond it the cache starts anew, for callers choose the keys.
const MAX_ENTRIES: usize = 10_000;

/// Bytes of all values, beyond which it starts anew as well: a quarter of what the smallest function has.
const MAX_WEIGHT: usize = 64 * 1024 * 1024;

impl<V: Send + Sync + 'static, E: LoadError> Cache<V, E> {
    /// Values older than `fresh_for` are refreshed in the background by the next who asks. `what` they are about, such
    /// as "tenant", stands before the key in logs.
    pub fn new<F, L>(what: &'static str, fresh_for: Duration, load: L) -> Self
    where
        L: Fn(String) -> F + Send + Sync + 'static,
        F: Future<Output = Result<Option<V>, E>> + Send + 'static,
    {
        Self::weighing(what, fresh_for, |_| 0, load)
    }

    /// The same, of values that may be heavy: `weigh` says how many bytes one takes.
    pub fn weighing<F, L>(what: &'static str, fresh_for: Duration, weigh: fn(&V) -> usize, load: L) -> Self
    where
        L: Fn(String) -> F + Send + Sync + 'static,
        F: Future<Output = Result<Option<V>, E>> + Send + 'static,
    {
        let load = Box::new(move |key| Box::pin(load(key)) as Loading<V, E>);
        Self { shared: Arc::new(Shared { what, load, fresh_for, weigh, entries: Mutex::default() }) }
    }

    /// The value as it is now at its source.
    pub async fn reload(&self, key: &str) -> Result<Option<Arc<V>>, E> {
        self.shared.reload(key).await
    }

    /// The value, at once if it was ever loaded. Fails when it never was and cannot be now, and when what its source has
    /// now cannot be read.
    pub async fn get(&self, key: &str) -> Result<Option<Arc<V>>, E> {
        let cached = {
            let mut entries = self.shared.entries();
            entries.get_mut(key).map(|entry| {
                let age = entry.asked_at.elapsed();
                let refreshing = entry.refreshing_since.is_some_and(|since| since.elapsed() < GIVEN_UP_AFTER);
                let due = !refreshing && age >= self.shared.fresh_for;
                if due {
                    entry.refreshing_since = Some(Instant::now());
                }
                (entry.value.clone(), due, age >= self.shared.fresh_for * TOO_OLD)
            })
        };
        match cached {
            // An absent value may have been registered since. A stale "no" would refuse somebody who is registered.
            None | Some((None, true, _)) => self.shared.reload(key).await,
            Some((value, false, _)) => Ok(value),
            Some((value, true, true)) => match timeout(WAIT, self.shared.reload(key)).await {
                Ok(Ok(fresh)) => Ok(fresh),
                Ok(Err(error)) if !error.is_outage() => Err(error),
                Ok(Err(_)) => Ok(value),
                Err(_) => {
                    self.shared.tell_stale(key, "no answer yet");
                    Ok(value)
                }
            },
            Some((value, true, false)) => {
                let (shared, key) = (Arc::clone(&self.shared), key.to_owned());
                let refresh = async move {
                    // A failure is logged, and the next caller sees it.
                    let _ = shared.reload(&key).await;
                };
                tokio::spawn(refresh.instrument(Span::current()));
                Ok(value)
            }
        }
    }
}

impl<V, E: LoadError> Shared<V, E> {
    fn entries(&self) -> MutexGuard<'_, HashMap<String, Entry<V>>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn reload(&self, key: &str) -> Result<Option<Arc<V>>, E> {
        match (self.load)(key.to_owned()).await {
            Ok(value) => {
                let value = value.map(Arc::new);
                let now = Instant::now();
                let entry = Entry { value: value.clone(), read_at: now, asked_at: now, refreshing_since: None };
                let mut entries = self.entries();
                entries.remove(key);
                let values = entries.values().filter_map(|entry| entry.value.as_ref()).chain(&value);
                let weight: usize = values.map(|value| (self.weigh)(value)).sum();
                if entries.len() >= MAX_ENTRIES || weight > MAX_WEIGHT {
                    entries.clear();
                }
                entries.insert(key.to_owned(), entry);
                Ok(value)
            }
            Err(error) => {
                self.failed(key, &error);
                Err(error)
            }
        }
    }

    fn failed(&self, key: &str, error: &E) {
        let (what, error_chain) = (self.what, chain(error));
        if !error.is_outage() {
            self.entries().remove(key);
            metrics::counter!(metric::UNREADABLE).increment(1);
            tracing::error!(entry = format!("{what} {key}"), error = error_chain, "what is stored cannot be read");
            return;
        }
        let stale = self.entries().get_mut(key).map(|entry| {
            entry.refreshing_since = None;
            entry.asked_at = Instant::now(); // not again at once
        });
        if stale.is_some() {
            self.tell_stale(key, &error_chain);
        } else {
            tracing::error!(entry = format!("{what} {key}"), error = error_chain, "cannot be looked up now");
        }
    }

    /// Says how old the value is that goes on to hold.
    fn tell_stale(&self, key: &str, error: &str) {
        let age = self.entries().get(key).map(|entry| entry.read_at.elapsed().as_secs());
        tracing::warn!(entry = format!("{} {key}", self.what), age_seconds = age, error, "serving a stale value");
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

    use store::StoreError;

    use super::*;

    #[derive(Default)]
    struct Source {
        loads: AtomicUsize,
        down: AtomicBool,
        corrupt: AtomicBool,
        gone: AtomicBool,
    }

    fn counting(fresh_for: Duration) -> (Arc<Source>, Cache<usize, StoreError>) {
        let source = Arc::new(Source::default());
        let inner = Arc::clone(&source);
        let cache = Cache::new("tenant", fresh_for, move |key| {
            let source = Arc::clone(&inner);
            async move {
                if source.down.load(Ordering::Relaxed) {
                    return Err(StoreError::Unavailable { operation: "Query", source: "down".into() });
                }
                let nth = source.loads.fetch_add(1, Ordering::Relaxed) + 1;
                if source.corrupt.load(Ordering::Relaxed) {
                    return Err(StoreError::Corrupt { what: "registry entry", source: "no JSON".into() });
                }
                Ok((key != "nobody" && !source.gone.load(Ordering::Relaxed)).then_some(nth))
            }
        });
        (source, cache)
    }

    async fn value(cache: &Cache<usize, StoreError>, key: &str) -> Option<usize> {
        cache.get(key).await.expect("a value").map(|value| *value)
    }

    #[tokio::test(start_paused = true)]
    async fn a_value_is_loaded_once_and_refreshed_behind_the_callers_back() {
        let (_, cache) = counting(Duration::from_mins(1));
        assert_eq!(value(&cache, "acme").await, Some(1));
        assert_eq!(value(&cache, "acme").await, Some(1));
        tokio::time::advance(Duration::from_secs(61)).await;
        assert_eq!(value(&cache, "acme").await, Some(1), "whoever finds it stale does not wait");
        tokio::task::yield_now().await;
        assert_eq!(value(&cache, "acme").await, Some(2));
    }

    #[tokio::test(start_paused = true)]
    async fn stale_values_are_served_while_the_source_is_down() {
        let (source, cache) = counting(Duration::from_mins(1));
        assert_eq!(value(&cache, "acme").await, Some(1));
        source.down.store(true, Ordering::Relaxed);
        for _ in 0..3 {
            tokio::time::advance(Duration::from_hours(1)).await;
            assert_eq!(value(&cache, "acme").await, Some(1));
            tokio::task::yield_now().await;
        }
        assert!(cache.get("unseen").await.is_err());
        source.down.store(false, Ordering::Relaxed);
        tokio::time::advance(Duration::from_secs(61)).await;
        value(&cache, "acme").await;
        tokio::task::yield_now().await;
        assert_eq!(value(&cache, "acme").await, Some(2));
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_too_heavy_together_is_not_kept() {
        let load = |_| async { Ok::<_, StoreError>(Some(MAX_WEIGHT / 3)) };
        let cache = Cache::weighing("weight", Duration::from_mins(1), |weight| *weight, load);
        let kept = || cache.shared.entries().len();
        for (key, expected) in [("a", 1), ("b", 2), ("a", 2), ("c", 3), ("d", 1), ("e", 2)] {
            assert!(cache.get(key).await.expect("a value").is_some());
            assert_eq!(kept(), expected, "{key}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_absent_value_is_asked_for_again_when_stale() {
        let (source, cache) = counting(Duration::from_mins(1));
        assert_eq!(value(&cache, "nobody").await, None);
        assert_eq!(value(&cache, "nobody").await, None);
        assert_eq!(source.loads.load(Ordering::Relaxed), 1);
        tokio::time::advance(Duration::from_secs(61)).await;
        assert_eq!(value(&cache, "nobody").await, None);
        assert_eq!(source.loads.load(Ordering::Relaxed), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn what_cannot_be_read_takes_the_place_of_what_could_be() {
        for age in [Duration::from_secs(61), Duration::from_hours(3)] {
            let (source, cache) = counting(Duration::from_mins(1));
            assert_eq!(value(&cache, "acme").await, Some(1));
            source.corrupt.store(true, Ordering::Relaxed);
            tokio::time::advance(age).await;
            let _ = cache.get("acme").await;
            tokio::task::yield_now().await;
            for _ in 0..3 {
                assert!(matches!(cache.get("acme").await, Err(StoreError::Corrupt { .. })), "after {age:?}");
            }
            source.down.store(true, Ordering::Relaxed);
            let outage = cache.get("acme").await;
            assert!(matches!(outage, Err(StoreError::Unavailable { .. })), "an outage brings nothing back: {outage:?}");
            source.down.store(false, Ordering::Relaxed);
            source.corrupt.store(false, Ordering::Relaxed);
            assert!(value(&cache, "acme").await.is_some(), "a repair counts at once");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_frozen_environment_does_not_begin_with_what_cannot_be_read_any_more() {
        let (source, cache) = counting(Duration::from_mins(1));
        assert_eq!(value(&cache, "acme").await, Some(1));
        source.corrupt.store(true, Ordering::Relaxed);
        tokio::time::advance(Duration::from_hours(3)).await;
        assert!(matches!(cache.get("acme").await, Err(StoreError::Corrupt { .. })));
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_gone_is_gone_after_the_next_refresh() {
        let (source, cache) = counting(Duration::from_mins(1));
        assert_eq!(value(&cache, "acme").await, Some(1));
        source.gone.store(true, Ordering::Relaxed);
        tokio::time::advance(Duration::from_secs(61)).await;
        value(&cache, "acme").await;
        tokio::task::yield_now().await;
        assert_eq!(value(&cache, "acme").await, None);
    }

    #[tokio::test(start_paused = true)]
    async fn the_log_says_how_old_a_stale_value_is_and_whose() {
        let (source, cache) = counting(Duration::from_mins(1));
        value(&cache, "acme").await;
        source.down.store(true, Ordering::Relaxed);
        let log = testkit::Log::default();
        let guard = log.begin(&["lambda"]);
        for _ in 0..3 {
            tokio::time::advance(Duration::from_hours(1)).await;
            value(&cache, "acme").await;
        }
        source.down.store(false, Ordering::Relaxed);
        source.corrupt.store(true, Ordering::Relaxed);
        tokio::time::advance(Duration::from_hours(1)).await;
        assert!(cache.get("acme").await.is_err());
        drop(guard);
        let lines = log.lines();
        let told: Vec<_> = lines
            .iter()
            .map(|line| (line["level"].as_str(), line["entry"].as_str(), line["age_seconds"].as_u64()))
            .collect();
        let stale = |hours: u64| (Some("WARN"), Some("tenant acme"), Some(hours * 60 * 60));
        assert_eq!(told, [stale(1), stale(2), stale(3), (Some("ERROR"), Some("tenant acme"), None)]);
    }
}
