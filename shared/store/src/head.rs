//! Where a stream is, and the aggregate there.

use std::ops::Deref;
use std::sync::Arc;

use kernel::context::Aggregate;
use kernel::timestamp::Timestamp;

/// Where a stream is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// How many events it has; 0 when its aggregate does not exist yet.
    pub version: u64,
    /// How many commits.
    pub commit_number: u64,
    /// When the newest one happened; 1970 when there is none.
    pub committed_at: Timestamp,
    /// How many commits a load folds, since the last one with a snapshot.
    pub since_snapshot: u64,
}

/// An aggregate as it was loaded. It reads as its head.
#[derive(Clone)]
pub struct Loaded {
    pub aggregate: Arc<dyn Aggregate>,
    pub head: Head,
}

impl Deref for Loaded {
    type Target = Head;

    fn deref(&self) -> &Head {
        &self.head
    }
}
