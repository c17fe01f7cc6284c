//! The rebuild: walks all that has happened once more, to make read models anew, or to send events again to one subscriber.
//!
//! A platform operator asks for a rebuild or a replay ([`http`]), and it is noted as a job. A schedule has the function work
//! ([`walk`]): it walks all streams in segments side by side ([`segment`]).
//!
//! **A rebuild** writes a document only where it is not what its events make of it ([`documents`]), on the condition that it is
//! still what was read, and its totals move in the same transaction. So a rebuild and the updater may be at the same document:
//! whoever comes second reads again. Nothing is published, and nobody is told.
//!
//! **A recount** ([`totals`]) is a rebuild of a collection's totals, from its documents.
//!
//! **A replay** ([`replay`]) puts events into one subscriber's queue, as the topic does, with a mark. It changes nothing that is
//! stored.

#![expect(clippy::result_large_err, reason = "a problem is made once a request and becomes the answer")]

mod documents;
mod http;
mod replay;
mod segment;
mod settings;
mod shown;
mod totals;

use kernel::context::ReadModel;
use kernel::ids::StreamId;
use kernel::timestamp::Timestamp;
use lambda::caller::Operators;
use messaging::{Queues, SqsClient};
use store::event_store::Streams;
use store::jobs::Jobs;
use store::read_models::ReadModels;
use tokio::time::Instant;

pub use crate::http::{Endpoint, ROUTES, describe};
pub use crate::segment::WorkError;

/// Makes read models anew, and sends events again.
pub struct Rebuild {
    pub jobs: Jobs,
    pub streams: Streams,
    pub read_models: ReadModels,
    /// The read models that a stream shows in, of this release: [`catalog::read_models_of`].
    pub read_models_of: fn(&StreamId) -> Option<Vec<&'static dyn ReadModel>>,
    pub sqs: SqsClient,
    pub queues: Queues,
    pub operators: Operators,
    /// The API's own address, without a slash at its end.
    pub public_url: String,
}

impl Rebuild {
    /// Works on what was asked for, as far as there is time.
    pub async fn work(&self, now: Timestamp, finish_by: Instant) -> Result<(), WorkError> {
        walk::work(self, &self.jobs, now, finish_by).await
    }
}
