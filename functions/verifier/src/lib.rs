//! The verifier: does it all add up? It walks what is stored, and holds each link against the next. What does not fit is a
//! finding, which says what that means and has one action that mends it.
//!
//! A verification is a job ([`walk`]), in six parts ([`verify`]):
//!
//! | part | asks |
//! | --- | --- |
//! | [`streams`] | are commits and versions without gaps · has each event its operation · was it published · is each document the fold of its stream ([`documents`]) · has each command that followed its outcome, is each timer set ([`caused`]) · is claimed what the stream claims |
//! | [`operations`] | are there the events of each that succeeded · does what is parked wait for a person · was each refusal told · is anything retried that nobody tries |
//! | [`parked`] | is anything forgotten, or unsent |
//! | [`claims`] | does each holder claim its value |
//! | [`timers`] | is any overdue |
//! | [`collections`] | are totals the sum over documents · has each document a stream |
//!
//! **No false alarm.** Only what is older than the slowest lawful way is judged ([`patience`]). What does not fit is looked at
//! twice, the second time by itself and with a pause between: what was on its way has arrived by then.
//!
//! Nothing is changed by a verification. An action is asked for by an operator ([`mend`]).

mod again;
mod caused;
mod claims;
mod collections;
mod documents;
mod facts;
mod http;
mod known;
mod mend;
mod operations;
mod parked;
mod patience;
mod settings;
mod shown;
mod streams;
mod timers;
mod told;
mod verify;

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;

use kernel::context::{Context, ReadModel};
use kernel::ids::StreamId;
use kernel::timestamp::Timestamp;
use lambda::caller::Operators;
use messaging::{Queues, SqsClient};
use store::event_store::Streams;
use store::findings::Findings;
use store::guards::Guards;
use store::jobs::Jobs;
use store::operations::Operations;
use store::parked::Parked;
use store::read_models::ReadModels;
use store::registry::Registry;
use store::timers::Timers;
use store::traces::Traces;

pub use crate::http::{Endpoint, ROUTES, describe};
pub use crate::verify::WorkError;

/// Holds what is stored against each other.
pub struct Verifier {
    pub jobs: Jobs,
    pub findings: Findings,
    pub streams: Streams,
    pub operations: Operations,
    pub parked: Parked,
    pub guards: Guards,
    pub timers: Timers,
    pub read_models: ReadModels,
    pub registry: Registry,
    /// Reads many items by their keys.
    pub traces: Traces,
    pub contexts: &'static [Context],
    /// The read models that a stream shows in: [`catalog::read_models_of`].
    pub read_models_of: fn(&StreamId) -> Option<Vec<&'static dyn ReadModel>>,
    pub sqs: SqsClient,
    pub queues: Queues,
    pub operators: Operators,
    /// How long a final outcome is kept.
    pub retention: Duration,
    /// How often everything is verified; `None`: only if somebody asks for it.
    pub every: Option<Duration>,
    /// Items a second, then.
    pub pace: u32,
    /// The API's own address, without a slash at its end.
    pub public_url: String,
    /// What this process has learned of since when something is so.
    pub known: Mutex<BTreeMap<(String, String), Timestamp>>,
}
