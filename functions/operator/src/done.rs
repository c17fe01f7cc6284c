//! What is answered to what was done.

use kernel::problem::Problem;
use lambda::http::json;
use lambda::refusal::Refusal;
use lambda_http::http::StatusCode;
use lambda_http::{Body, Response};
use serde::Serialize;
use store::parked::Stage;

/// Something was done with one message.
#[derive(Serialize)]
pub(crate) struct Done<'a> {
    pub id: &'a str,
    pub stage: Stage,
    /// What its sender follows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub operation: Option<String>,
}

/// What became of one message of many.
#[derive(Serialize)]
struct Outcome {
    id: String,
    status: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<Problem>,
}

/// What became of each, in their order: `done` of those that all went well with.
pub(crate) fn answer_all(ids: Vec<String>, outcomes: Vec<Result<(), Refusal>>, done: StatusCode) -> Response<Body> {
    let outcome = |(id, outcome): (String, Result<(), Refusal>)| {
        let problem = outcome.err().map(Refusal::into_problem);
        Outcome { id, status: problem.as_ref().map_or(done.as_u16(), |problem| problem.status), problem }
    };
    let results: Vec<_> = ids.into_iter().zip(outcomes).map(outcome).collect();
    json(StatusCode::OK, &serde_json::json!({ "results": results }))
}
