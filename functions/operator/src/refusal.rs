//! Why a request is answered by a problem.

use kernel::problem::Problem;
use kernel::timestamp::Timestamp;
use lambda::caller::UnknownCaller;
use lambda::methods::Methods;
use lambda::telemetry::{chain, metric};
use lambda_http::{Body, Response};
use messaging::SendError;
use store::StoreError;
use store::parked::{ActError, Action, What};

#[derive(Debug, thiserror::Error)]
pub(crate) enum NoAnswer {
    #[error("a problem of the caller's")]
    Problem(Box<Problem>),
    #[error("the path has other methods")]
    MethodNotAllowed(Methods),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Queue(#[from] SendError),
}

impl From<Problem> for NoAnswer {
    fn from(problem: Problem) -> Self {
        Self::Problem(Box::new(problem))
    }
}

impl From<UnknownCaller> for NoAnswer {
    fn from(unknown: UnknownCaller) -> Self {
        Problem::from(&unknown).into()
    }
}

impl From<ActError> for NoAnswer {
    fn from(error: ActError) -> Self {
        match error {
            ActError::Conflict(done) => conflict(done.as_deref()).into(),
            ActError::Store(error) => Self::Store(error),
        }
    }
}

impl NoAnswer {
    pub fn into_response(self) -> Response<Body> {
        metrics::counter!(metric::REFUSED).increment(1);
        if let Self::MethodNotAllowed(methods) = self {
            return methods.refusal();
        }
        let problem = self.into_problem();
        tracing::info!(problem = %problem.ty, status = problem.status, "refused");
        lambda::http::problem(&problem)
    }

    /// What the caller is told. What they are not told is logged.
    pub fn into_problem(self) -> Problem {
        match self {
            Self::Problem(problem) => *problem,
            Self::MethodNotAllowed(methods) => methods.problem(),
            Self::Store(error @ StoreError::Unavailable { .. }) => {
                tracing::error!(error = chain(&error), "what is parked cannot be reached");
                Problem::unavailable("what is parked cannot be reached now; try again, and look first what was done")
            }
            Self::Store(error @ StoreError::Corrupt { .. }) => {
                tracing::error!(error = chain(&error), "what is parked cannot be read");
                Problem::internal("what is stored cannot be read; the log says why")
            }
            Self::Queue(error) => {
                tracing::error!(error = chain(&error), "a queue cannot be reached");
                Problem::unavailable("the queues cannot be reached now; try again")
            }
        }
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
        Some(Action { what: What::Parked, .. }) | None => Problem::conflict("it changed meanwhile; look at it again"),
    }
}

fn done_before(what: &str, by: Option<&str>, at: Timestamp) -> Problem {
    Problem::conflict(format!("it was {what} by {} at {at}", by.unwrap_or("somebody")))
}
