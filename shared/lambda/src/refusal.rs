//! Refusals: requests that are answered by a problem. Here alone they are counted and logged.

use std::error::Error;

use kernel::ids::InvalidId;
use kernel::problem::Problem;
use lambda_http::http::header::ALLOW;
use lambda_http::{Body, Response};
use store::StoreError;

use crate::caller::UnknownCaller;
use crate::http::{self, set};
use crate::receipt_keys::NoKeys;
use crate::telemetry::{chain, metric};

/// What a request is answered.
pub type Answer = Result<Response<Body>, Refusal>;

/// Why a request is answered by a problem.
#[derive(Debug)]
pub struct Refusal {
    problem: Box<Problem>,
    /// The methods of the path, where the request has another one.
    allow: Option<String>,
}

impl Refusal {
    /// Something behind the function did not do its part. The caller is told to try again; the log is told why, at once,
    /// for the current span says what it was about.
    pub fn unavailable(told: &str, cause: &(dyn Error + 'static)) -> Self {
        Self::because(Problem::unavailable(told), cause)
    }

    fn because(problem: Problem, cause: &(dyn Error + 'static)) -> Self {
        tracing::error!(error = chain(cause), "something behind this function failed");
        problem.into()
    }

    /// `allow` lists the methods of the path.
    pub(crate) fn method_not_allowed(allow: String) -> Self {
        let problem = Problem::method_not_allowed(format!("the methods here are: {allow}"));
        Self { allow: Some(allow), ..problem.into() }
    }

    /// The HTTP status of the answer.
    pub fn status(&self) -> u16 {
        self.problem.status
    }

    /// As the whole answer.
    pub fn into_response(self) -> Response<Body> {
        let Self { problem, allow } = self;
        metrics::counter!(metric::REFUSED).increment(1);
        tracing::info!(problem = %problem.ty, status = problem.status, "refused");
        let mut answer = http::problem(&problem);
        if let Some(allow) = allow {
            set(&mut answer, ALLOW, &allow);
        }
        answer
    }

    /// As part of an answer that tells of more.
    pub fn into_problem(self) -> Problem {
        *self.problem
    }
}

impl From<Problem> for Refusal {
    fn from(problem: Problem) -> Self {
        Self { problem: Box::new(problem), allow: None }
    }
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Unavailable { .. } => Self::unavailable("this cannot be answered now; try again", &error),
            StoreError::Corrupt { .. } => Self::because(
                Problem::internal("this cannot be answered; the log of this installation says why"),
                &error,
            ),
        }
    }
}

/// The cause has been logged, by the cache that holds the keys.
impl From<NoKeys> for Refusal {
    fn from(none: NoKeys) -> Self {
        match none {
            NoKeys::Unavailable(_) | NoKeys::AskedAMomentAgo => {
                Problem::unavailable("this cannot be answered now; send the same again, which repeats nothing")
            }
            NoKeys::Invalid(_) => Problem::internal("this cannot be answered; tell the operator"),
        }
        .into()
    }
}

impl From<UnknownCaller> for Refusal {
    fn from(unknown: UnknownCaller) -> Self {
        match unknown {
            UnknownCaller::NoClaims => Problem::unauthenticated("send a valid access token"),
            UnknownCaller::BadSubject(InvalidId { rule, .. }) => {
                Problem::not_permitted(format!("the id that the token names its caller by must be {rule}"))
            }
            UnknownCaller::NoOperator(principal) => Problem::not_permitted(format!(
                "no operator is registered as {principal}; ask those who run this installation to register it"
            )),
            UnknownCaller::NoTenantClaim { claim } => Problem::not_permitted(format!(
                "the token names no tenant: a user's token does so in its claim {claim}, and as a client's own token this \
                 one is not recognised"
            )),
            UnknownCaller::BadTenantClaim { claim, source } => {
                Problem::not_permitted(format!("the token's claim {claim} must be a tenant's id: {}", source.rule))
            }
            UnknownCaller::UnregisteredClient => {
                Problem::not_permitted("this client is registered with no tenant; ask the operator to register it")
            }
            UnknownCaller::Registry(error) => registry_problem(&error, "the caller's tenant"),
        }
        .into()
    }
}

/// The problem for a caller where the registry does not answer, or cannot be read. `what` says what was looked up. The
/// cache has logged the cause.
pub fn registry_problem(error: &StoreError, what: &str) -> Problem {
    match error {
        StoreError::Unavailable { .. } => Problem::unavailable(format!("{what} cannot be looked up now; try again")),
        StoreError::Corrupt { .. } => Problem::internal(format!("{what} cannot be read; tell the operator")),
    }
}
