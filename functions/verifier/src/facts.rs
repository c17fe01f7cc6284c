//! What is known of a stream, and what was read to hold it against.

use std::collections::{BTreeSet, HashMap};

use kernel::decider::Claim;
use kernel::domain_event::RecordedEvent;
use kernel::ids::{CommandKey, StreamId};
use kernel::timestamp::Timestamp;
use store::StoreError;
use store::event_store::Commit;
use store::operations::OperationRecord;
use store::read_models::{Key, Row};
use store::timers::TimerId;

/// A stream whose commits are there, one after the other.
pub(crate) struct Facts {
    pub stream: StreamId,
    /// This release knows its type of aggregate.
    pub is_known: bool,
    pub commits: Vec<Commit>,
    /// All events, in order.
    pub events: Vec<RecordedEvent>,
    pub pending: Vec<Pending>,
    pub caused: Vec<Expected>,
    pub claims: BTreeSet<Claim>,
    /// The documents that there may be.
    pub documents: Vec<Key>,
}

/// What was read for some streams.
#[derive(Default)]
pub(crate) struct Read {
    pub rows: HashMap<Key, Result<Option<Row>, StoreError>>,
    /// Records by key; what cannot be read is `Err`.
    pub records: HashMap<String, Result<OperationRecord, StoreError>>,
    pub timers: BTreeSet<TimerId>,
    /// Who holds the guards of these keys.
    pub holders: HashMap<String, Option<String>>,
}

/// A command that must have a record.
pub(crate) struct Expected {
    pub key: CommandKey,
    pub ty: String,
    pub to: StreamId,
    pub commit_number: u64,
    /// When it was to be handed in.
    pub at: Timestamp,
    /// The context that hears, and the type of event.
    pub heard: Option<(String, String)>,
}

/// A timer that no later effect of the stream has replaced or taken back.
pub(crate) struct Pending {
    pub id: TimerId,
    pub key: CommandKey,
    pub ty: String,
    pub name: String,
    pub due: Timestamp,
    pub commit_number: u64,
    pub set_at: Timestamp,
}
