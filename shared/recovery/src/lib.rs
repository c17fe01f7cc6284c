//! The way back of what failed, for every function that handles messages.
//!
//! - [`batch`]: what was received, and what goes back to the queue, or on its last receive to the dead letters
//! - [`back_off`]: how long the queue hides a message that failed
//! - [`failure`]: what travels with a message that has failed
//! - [`returning`]: sending a message to a queue that it was in before
//! - [`dead_letters`]: dead-letter queues, and what they hold
//! - [`summary`]: what is known of a message that is set aside for a person
//! - [`resubmission`]: the way back of a parked message that an operator has resubmitted

pub mod back_off;
pub mod batch;
pub mod dead_letters;
pub mod failure;
pub mod resubmission;
pub mod returning;
pub mod summary;

pub use dead_letters::{DeadLetter, DeadLetters, Depth};
pub use failure::Failure;
pub use returning::{MessageGroup, Returning, send_back};
