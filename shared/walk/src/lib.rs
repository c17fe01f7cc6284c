//! Jobs that walk all that is stored, done by a function that a schedule wakes.
//!
//! An invocation takes an open job's lease and walks its segments side by side, page by page, and notes behind each page how far
//! it is. So a job goes on where it was, whatever ends the function; the page that it was at is done again.
//!
//! - `work`: one invocation
//! - `gate`: whether and when a segment goes on
//! - [`page`]: a page of the events table, by stream
//! - [`counting`]: what a segment counts

pub mod counting;
mod gate;
pub mod page;
mod work;

use store::StoreError;
use store::jobs::{Job, Segment, Task};

pub use crate::work::work;

/// What a function does of jobs.
pub trait Walk {
    /// Why a page could not be done now.
    type Error: std::error::Error + From<StoreError> + 'static;

    /// Whether such a task is this function's.
    fn takes(&self, task: &Task) -> bool;

    /// Whether such a task is done before others that were asked for earlier.
    fn comes_first(&self, _task: &Task) -> bool {
        false
    }

    /// Does a segment's next page: from where the segment is, about so many items. Sets where it is then, and counts. Gives how
    /// many items that were. A page may be done again.
    fn page(
        &self,
        job: &Job,
        number: u32,
        segment: &mut Segment,
        most: i32,
    ) -> impl Future<Output = Result<usize, Self::Error>>;

    /// Whether a segment that is not done goes on within this invocation. Otherwise the next invocation goes on with it.
    fn goes_on(&self, _task: &Task) -> bool {
        true
    }

    /// All segments are done; this is the last step, which may be done again.
    fn finish(&self, _job: &Job) -> impl Future<Output = Result<(), Self::Error>> {
        std::future::ready(Ok(()))
    }
}
