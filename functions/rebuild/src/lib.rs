//! The rebuild: walks all that has happened once more, to make read models anew, or to send events again to one subscriber.
//!
//! A platform operator asks for a rebuild or a replay ([`http`]), and it is noted as a job. A schedule has the function work
//! ([`work`]): it takes a job's lease and walks all streams in segments side by side ([`segment`]), page by page, and notes
//! behind each page how far it is. So a job goes on where it was, whatever ends the function; the page that it was at is done
//! again.
//!
//! **A rebuild** writes a document only where it is not what its events make of it ([`documents`]), on the condition that it is still what
//! was read, and its totals move in the same transaction. So a rebuild and the updater may be at the same document: whoever
//! comes second reads again. Nothing is published, and nobody is told.
//!
//! **A replay** ([`replay`]) puts events into one subscriber's queue, as the topic does, with a mark. It changes nothing that is
//! stored.

#![expect(clippy::result_large_err, reason = "a problem is made once a request and becomes the answer")]

mod counting;
mod documents;
mod gate;
mod http;
mod page;
mod replay;
mod segment;
mod settings;
mod shown;
mod work;

use kernel::context::ReadModel;
use kernel::ids::StreamId;
use lambda::caller::Operators;
use messaging::{Queues, SqsClient};
use store::event_store::Streams;
use store::jobs::Jobs;
use store::read_models::ReadModels;

pub use crate::http::{Endpoint, ROUTES, describe};
pub use crate::work::WorkError;

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
