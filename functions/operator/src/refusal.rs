//! Why a request is answered by a problem.

use kernel::problem::Problem;
use kernel::timestamp::Timestamp;
use lambda::caller::UnknownCaller;
use lambda::telemetry::{chain, metric};
use lambda_http::http::Method;
use lambda_http::http::header::ALLOW;
use lambda_http::{Body, Response};
use messaging::SendError;
use store::StoreError;
use store::parked::{ActError, Action, What};

#[derive(Debug, thiserror::Error)]
pub(crate) enum NoAnswer {
    #[error("a problem of the caller's")]
    Problem(Box<Problem>),
    #[error("the method is not allowed")]
    MethodNotAllowed { allowed: Method },
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
        let allowed = if let Self::MethodNotAllowed { allowed } = &self { Some(allowed.clone()) } else { None };
        let problem = self.into_problem();
        metrics::counter!(metric::REFUSED).increment(1);
        tracing::info!(problem = %problem.ty, status = problem.status, "refused");
        let mut answer = lambda::http::problem(&problem);
        if let Some(allowed) = allowed {
            lambda::http::set(&mut answer, ALLOW, allowed.as_str());
        }
        answer
    }

    /// What the caller is told. What they are not told is logged.
    pub fn into_problem(self) -> Problem {
        match self {
            Self::Problem(problem) => *problem,
            Self::MethodNotAllowed { allowed } => Problem::method_not_allowed(format!("this takes {allowed} alone")),
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
