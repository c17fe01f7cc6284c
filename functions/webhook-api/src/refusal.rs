//! What operators are refused.

use kernel::problem::Problem;
use lambda::refusal::Refusal;
use store::StoreError;

pub(crate) fn nothing_here() -> Problem {
    Problem::not_found("nothing is here for this operator")
}

pub(crate) fn changed_meanwhile() -> Problem {
    Problem::conflict("the webhook was changed meanwhile; look at it again")
}

/// What was asked for may be resent already, and one errand at a time is done.
pub(crate) fn resending_already() -> Problem {
    Problem::conflict("events are being sent again, as `resending` says; wait until that is done")
}

/// A change that is not known to be made.
pub(crate) fn not_done(error: StoreError) -> Refusal {
    match error {
        error @ StoreError::Unavailable { .. } => {
            let told = "the webhook cannot be reached now; look whether it was changed, and try again";
            Refusal::unavailable(told, &error)
        }
        error @ StoreError::Corrupt { .. } => error.into(),
    }
}
