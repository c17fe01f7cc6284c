//! What operators are refused.

use kernel::problem::Problem;
use kernel::timestamp::Timestamp;
use lambda::refusal::Refusal;
use store::StoreError;
use store::parked::{ActError, Action, What};

/// A decision that may not have been made.
pub(crate) fn not_done(error: ActError) -> Refusal {
    match error {
        ActError::Conflict(done) => conflict(done.as_deref()).into(),
        ActError::Store(error @ StoreError::Unavailable { .. }) => {
            let told = "what is parked cannot be reached now; try again, and look first what was done";
            Refusal::unavailable(told, &error)
        }
        ActError::Store(error) => error.into(),
    }
}

pub(crate) fn nothing_here() -> Problem {
    Problem::not_found("nothing is here for this operator")
}

/// Who did what before, and when.
pub(crate) fn conflict(done: Option<&Action>) -> Problem {
    match done {
        Some(Action { at, what: What::Resubmitted, by, .. }) => done_before("resubmitted", by.as_deref(), *at),
        Some(Action { at, what: What::Discarded, by, .. }) => done_before("discarded", by.as_deref(), *at),
        Some(Action { at, what: What::Reported, by, .. }) => done_before("reported", by.as_deref(), *at),
        Some(Action { what: What::Parked, .. }) | None => Problem::conflict("it changed meanwhile; look at it again"),
    }
}

fn done_before(what: &str, by: Option<&str>, at: Timestamp) -> Problem {
    Problem::conflict(format!("it was {what} by {} at {at}", by.unwrap_or("somebody")))
}
