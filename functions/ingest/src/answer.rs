//! What ingest says of what it has queued: 202, with the operation to follow.

use kernel::operation::Operation;
use lambda::http::{json, set};
use lambda_http::http::StatusCode;
use lambda_http::http::header::{CONTENT_TYPE, HeaderName, LOCATION, RETRY_AFTER};
use lambda_http::{Body, Response};
use schemars::{JsonSchema, SchemaGenerator};
use serde::Serialize;

/// Seconds until it is worth asking how a fresh command is doing.
const ASK_AGAIN: &str = "1";

/// Of a batch, in the order of its events.
#[derive(Serialize, JsonSchema)]
struct Operations<'a> {
    operations: &'a [Operation],
}

/// Describes all answers but problems, for `openapi.yaml`.
pub fn describe(generator: &mut SchemaGenerator) {
    generator.subschema_for::<Operations>();
}

/// `minimal`: without a body, as the client prefers.
pub(crate) fn accepted(operation: &Operation, public_url: &str, minimal: bool) -> Response<Body> {
    let mut answer = with_body(operation, minimal);
    set(&mut answer, LOCATION, &format!("{public_url}/operations/{}", operation.id));
    answer
}

/// A batch has no single place to follow: each operation's id is in the body, in the order of the events. Without a
/// body nobody is told, and nobody follows.
pub(crate) fn accepted_all(operations: &[Operation], minimal: bool) -> Response<Body> {
    with_body(&Operations { operations }, minimal)
}

fn with_body(body: &impl Serialize, minimal: bool) -> Response<Body> {
    let mut answer = json(StatusCode::ACCEPTED, body);
    if minimal {
        *answer.body_mut() = Body::Empty;
        answer.headers_mut().remove(CONTENT_TYPE);
        set(&mut answer, HeaderName::from_static("preference-applied"), "return=minimal");
    }
    set(&mut answer, RETRY_AFTER, ASK_AGAIN);
    answer
}
