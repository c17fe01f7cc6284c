//! The rebuild: makes read models anew from their events, where they are not what the events say.
//!
//! A platform operator asks for one ([`http`]), and it is noted as a job. A schedule has the function work ([`work`]): it takes
//! a job's lease and walks all streams in segments side by side ([`segment`]), page by page, and notes behind each page how far
//! it is. So a rebuild goes on where it was, whatever ends the function; the page that it was at is done again.
//!
//! A document is written only where it is not what its events make of it ([`documents`]), on the condition that it is still what
//! was read, and its totals move in the same transaction. So a rebuild and the updater may be at the same document: whoever
//! comes second reads again. Nothing is published, and nobody is told.

#![expect(clippy::result_large_err, reason = "a problem is made once a request and becomes the answer")]

mod counting;
mod documents;
mod gate;
mod http;
mod segment;
mod settings;
mod work;

use kernel::context::ReadModel;
use kernel::ids::StreamId;
use lambda::caller::Operators;
use store::event_store::Streams;
use store::jobs::Jobs;
use store::read_models::ReadModels;

pub use crate::http::{Endpoint, ROUTES, describe};

/// Makes read models anew.
pub struct Rebuild {
    pub jobs: Jobs,
    pub streams: Streams,
    pub read_models: ReadModels,
    /// The read models that a stream shows in, of this release: [`catalog::read_models_of`].
    pub read_models_of: fn(&StreamId) -> Option<Vec<&'static dyn ReadModel>>,
    pub operators: Operators,
    /// The API's own address, without a slash at its end.
    pub public_url: String,
}
