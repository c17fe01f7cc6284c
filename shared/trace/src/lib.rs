//! The trace of a command: what became of it, and of all that it has caused, level by level.
//!
//! No log of causes is kept. Whatever follows from an event, an effect or a refusal has a key that is made of it, so a
//! trace computes the keys of what may have followed, and reads the records that there are. A level takes
//! [a few calls](MOST_CALLS), however many commands are in it.
//!
//! - [`walk`]: level by level
//! - [`causes`]: which commands may follow
//! - [`line`]: what is known of one of them
//! - [`view`]: what both clients and operators are answered

pub mod causes;
pub mod line;
pub mod view;
pub mod walk;

use kernel::context::Context;
use store::traces::Traces;

pub use crate::line::{Delivery, Document, How, Line, Timer};
pub use crate::walk::Trace;

/// Most calls of the store for one level: records; commits and parked messages, which may take two; documents, timers and
/// deliveries; and for the first level the tenant's endpoints.
pub const MOST_CALLS: usize = 5;

/// Most commands in a trace.
pub const MOST_COMMANDS: usize = 100;

/// Most levels. Whoever asks waits for them, one after the other.
pub const MOST_LEVELS: usize = 40;

/// Traces commands.
#[derive(Clone)]
pub struct Tracer {
    pub traces: Traces,
    pub contexts: &'static [Context],
    /// The API's own address, without a slash at its end.
    pub public_url: String,
}
