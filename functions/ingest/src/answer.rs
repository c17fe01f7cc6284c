//! What ingest says: 202 with the operation to follow, or a problem.

use kernel::operation::Operation;
use kernel::problem::Problem;
use lambda::http::{json, set};
use lambda_http::http::StatusCode;
use lambda_http::http::header::{ALLOW, LOCATION, RETRY_AFTER};
use lambda_http::{Body, Response};

/// Seconds until it is worth asking how a fresh command is doing.
const ASK_AGAIN: &str = "1";

pub(crate) fn accepted(operation: &Operation, public_url: &str) -> Response<Body> {
    let mut answer = with_body(serde_json::to_string(operation));
    set(&mut answer, LOCATION, &format!("{public_url}/operations/{}", operation.id));
    answer
}

/// A batch has no single place to follow: each operation's id is in the body, in the order of the events.
pub(crate) fn accepted_all(operations: &[Operation]) -> Response<Body> {
    with_body(serde_json::to_string(&serde_json::json!({ "operations": operations })))
}

fn with_body(body: serde_json::Result<String>) -> Response<Body> {
    let body = body.expect("operations have string keys");
    let mut answer = json(StatusCode::ACCEPTED, "application/json", body);
    set(&mut answer, RETRY_AFTER, ASK_AGAIN);
    answer
}

pub(crate) fn refused(problem: &Problem) -> Response<Body> {
    let mut answer = lambda::http::problem(problem);
    if answer.status() == StatusCode::METHOD_NOT_ALLOWED {
        set(&mut answer, ALLOW, "POST, PUT");
    }
    answer
}
