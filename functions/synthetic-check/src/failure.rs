//! Which step failed, and why. No secret and no token is in it.

use std::fmt;

use kernel::problem::Problem;
use lambda::web::NoAnswer;
use lambda_http::http::{Response, StatusCode};

/// A run that did not go the whole way.
#[derive(Debug, thiserror::Error)]
#[error("the check failed at the step {step}{}", of_operation(.operation.as_deref()))]
pub struct Failure {
    pub step: Step,
    /// The operation that was followed, from the step [`Outcome`](Step::Outcome) on.
    pub operation: Option<String>,
    #[source]
    pub reason: Reason,
}

fn of_operation(operation: Option<&str>) -> String {
    operation.map(|operation| format!(" of operation {operation}")).unwrap_or_default()
}

/// The way of a command, in the steps that its client sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    Token,
    Submit,
    Outcome,
    Read,
}

impl Step {
    pub fn name(self) -> &'static str {
        match self {
            Self::Token => "token",
            Self::Submit => "submit",
            Self::Outcome => "outcome",
            Self::Read => "read",
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Why a step failed.
#[derive(Debug, thiserror::Error)]
pub enum Reason {
    #[error("the secret with the credentials cannot be read")]
    NoSecret(#[source] Box<dyn std::error::Error + Send + Sync>),
    #[error("the secret with the credentials is not JSON with client_id, client_secret and token_url")]
    BadSecret,
    #[error("there is no answer")]
    NoAnswer(#[from] NoAnswer),
    #[error("the answer is {status}{}", with(.code.as_deref()))]
    Refused {
        status: StatusCode,
        /// The problem's type, or the code of an OAuth error.
        code: Option<String>,
    },
    /// What should have been there.
    #[error("the answer does not hold {0}")]
    Unreadable(&'static str),
    #[error("the answer leads away from the API")]
    LeadsAway,
    #[error("the operation is {status}{}", with(.problem.as_deref()))]
    Ended { status: &'static str, problem: Option<String> },
    #[error("the read model does not say what was recorded")]
    Different,
    #[error("time is up")]
    OutOfTime,
}

fn with(code: Option<&str>) -> String {
    code.map(|code| format!(": {code}")).unwrap_or_default()
}

impl Reason {
    /// An answer of another status than was expected.
    pub(crate) fn refused(answer: &Response<String>) -> Self {
        let problem = serde_json::from_str::<Problem>(answer.body()).ok();
        Self::Refused { status: answer.status(), code: problem.as_ref().and_then(code) }
    }
}

/// The problem's type, if it is one of Waybill's. What others write, a proxy for one, stays out of the log.
pub(crate) fn code(problem: &Problem) -> Option<String> {
    problem.ty.starts_with("urn:waybill:problem:").then(|| problem.ty.to_string())
}
