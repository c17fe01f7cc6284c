//! Since when something is known to be so: a context hears a type of event, there is a collection, records are kept so long.
//! What was before is not judged by it.

use std::collections::BTreeMap;
use std::sync::{MutexGuard, PoisonError};

use kernel::timestamp::Timestamp;
use store::StoreError;

use crate::Verifier;

impl Verifier {
    /// Since when it is known that something is so: since now, if it was not.
    pub(crate) async fn since(&self, of: &str, what: &str, now: Timestamp) -> Result<Timestamp, StoreError> {
        if let Some(since) = self.is_known_since(of, what) {
            return Ok(since);
        }
        let since = self.findings.known_since(of, what, now).await?;
        self.known().insert((of.to_owned(), what.to_owned()), since);
        Ok(since)
    }

    /// The same, as far as this process has asked already.
    pub(crate) fn is_known_since(&self, of: &str, what: &str) -> Option<Timestamp> {
        self.known().get(&(of.to_owned(), what.to_owned())).copied()
    }

    fn known(&self) -> MutexGuard<'_, BTreeMap<(String, String), Timestamp>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
