//! A cache that is refreshed in the background and serves what it has while its source is down.

use std::collections::HashMap;
use std::error::Error;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, timeout};

type Loading<V, E> = Pin<Box<dyn Future<Output = Result<Option<V>, E>> + Send>>;

/// Values by key, each loaded when first asked for. `None` is remembered too: there is no such thing.
pub struct Cache<V, E> {
    shared: Arc<Shared<V, E>>,
}

struct Shared<V, E> {
    load: Box<dyn Fn(String) -> Loading<V, E> + Send + Sync>,
    fresh_for: Duration,
    entries: Mutex<HashMap<String, Entry<V>>>,
}

struct Entry<V> {
    value: Option<Arc<V>>,
    loaded_at: Instant,
    /// When somebody began to refresh it and has not come back.
    refreshing_since: Option<Instant>,
}

/// What is so many times older than fresh is not served before an attempt to refresh it: an environment that was frozen
/// for hours must not begin with what held hours ago.
const TOO_OLD: u32 = 5;

/// How long to wait for that attempt.
const WAIT: Duration = Duration::from_secs(2);

/// A refresh that has not come back by then never will: it panicked, or was frozen with its environment.
const GIVEN_UP_AFTER: Duration = Duration::from_secs(30);

/// More keys than any deployment has callers; beyond it the cache starts anew, for callers choose the keys.
const MAX_ENTRIES: usize = 10_000;

impl<V: Send + Sync + 'static, E: Error + Send + 'static> Cache<V, E> {
    /// Values older than `fresh_for` are refreshed in the background by the next who asks.
    pub fn new<F, L>(fresh_for: Duration, load: L) -> Self
    where
        L: Fn(String) -> F + Send + Sync + 'static,
        F: Future<Output = Result<Option<V>, E>> + Send + 'static,
    {
        let load = Box::new(move |key| Box::pin(load(key)) as Loading<V, E>);
        Self { shared: Arc::new(Shared { load, fresh_for, entries: Mutex::default() }) }
    }

    /// The value as it is now at its source.
    pub async fn reload(&self, key: &str) -> Result<Option<Arc<V>>, E> {
        self.shared.reload(key).await
    }

    /// The value, at once if it was ever loaded. Fails only when it never was and cannot be now.
    pub async fn get(&self, key: &str) -> Result<Option<Arc<V>>, E> {
        let cached = {
            let mut entries = self.shared.entries();
            entries.get_mut(key).map(|entry| {
                let age = entry.loaded_at.elapsed();
                let refreshing = entry.refreshing_since.is_some_and(|since| since.elapsed() < GIVEN_UP_AFTER);
                let due = !refreshing && age >= self.shared.fresh_for;
                if due {
                    entry.refreshing_since = Some(Instant::now());
                }
                (entry.value.clone(), due, age >= self.shared.fresh_for * TOO_OLD)
            })
        };
        match cached {
            // What was absent may have been registered since: whoever waits for it should not wait for a stale "no".
            None | Some((None, true, _)) => self.shared.reload(key).await,
            Some((value, false, _)) => Ok(value),
            Some((value, true, true)) => {
                if let Ok(Ok(fresh)) = timeout(WAIT, self.shared.reload(key)).await {
                    return Ok(fresh);
                }
                tracing::warn!("serving an old value");
                Ok(value)
            }
            Some((value, true, false)) => {
                let (shared, key) = (Arc::clone(&self.shared), key.to_owned());
                tokio::spawn(async move {
                    if let Err(error) = shared.reload(&key).await {
                        tracing::warn!(error = &error as &dyn Error, "serving a stale value");
                    }
                });
                Ok(value)
            }
        }
    }
}

impl<V, E> Shared<V, E> {
    fn entries(&self) -> MutexGuard<'_, HashMap<String, Entry<V>>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn reload(&self, key: &str) -> Result<Option<Arc<V>>, E> {
        let loaded = (self.load)(key.to_owned()).await;
        let mut entries = self.entries();
        match loaded {
            Ok(value) => {
                let value = value.map(Arc::new);
                if entries.len() >= MAX_ENTRIES && !entries.contains_key(key) {
                    entries.clear();
                }
                let entry = Entry { value: value.clone(), loaded_at: Instant::now(), refreshing_since: None };
                entries.insert(key.to_owned(), entry);
                Ok(value)
            }
            Err(error) => {
                if let Some(entry) = entries.get_mut(key) {
                    entry.refreshing_since = None;
                    entry.loaded_at = Instant::now(); // not again at once
                }
                Err(error)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

    use store::StoreError;

    use super::*;

    struct Source {
        loads: AtomicUsize,
        down: AtomicBool,
    }

    fn counting(fresh_for: Duration) -> (Arc<Source>, Cache<usize, StoreError>) {
        let source = Arc::new(Source { loads: AtomicUsize::new(0), down: AtomicBool::new(false) });
        let inner = Arc::clone(&source);
        let cache = Cache::new(fresh_for, move |key| {
            let source = Arc::clone(&inner);
            async move {
                if source.down.load(Ordering::Relaxed) {
                    return Err(StoreError::Unavailable { operation: "Query", source: "down".into() });
                }
                let nth = source.loads.fetch_add(1, Ordering::Relaxed) + 1;
                Ok((key != "nobody").then_some(nth))
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
    async fn an_absent_value_is_asked_for_again_when_stale() {
        let (source, cache) = counting(Duration::from_mins(1));
        assert_eq!(value(&cache, "nobody").await, None);
        assert_eq!(value(&cache, "nobody").await, None);
        assert_eq!(source.loads.load(Ordering::Relaxed), 1);
        tokio::time::advance(Duration::from_secs(61)).await;
        assert_eq!(value(&cache, "nobody").await, None);
        assert_eq!(source.loads.load(Ordering::Relaxed), 2);
    }
}
