//! Answers: JSON, and problems as RFC 9457 wants them.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use kernel::problem::Problem;
use lambda_http::http::StatusCode;
use lambda_http::http::header::{
    ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, ETAG, RETRY_AFTER, WWW_AUTHENTICATE,
};
use lambda_http::{Body, Request, Response};
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use crate::content;
use crate::request::has_already;

/// An answer in JSON that no cache on the way may keep.
pub fn json(status: StatusCode, body: &impl Serialize) -> Response<Body> {
    text(status, "application/json", serde_json::to_string(body).expect("answers have string keys"))
}

/// The same, of a text that is there already.
pub fn text(status: StatusCode, media_type: &'static str, body: String) -> Response<Body> {
    let answer = Response::builder().status(status).header(CONTENT_TYPE, media_type).header(CACHE_CONTROL, "no-store");
    answer.body(Body::Text(body)).expect("constant headers are valid")
}

/// Text that is the same for everybody: a client may keep it, and must ask whether it still holds, by its entity tag.
pub fn asset(request: &Request, media_type: &'static str, text: String) -> Response<Body> {
    let etag = format!("\"{}\"", BASE64.encode(&Sha256::digest(&text)[..12]));
    let mut answer = if has_already(request, &etag) {
        let mut unchanged = Response::new(Body::Empty);
        *unchanged.status_mut() = StatusCode::NOT_MODIFIED;
        unchanged
    } else {
        let mut whole = Response::new(Body::Text(text));
        set(&mut whole, CONTENT_TYPE, media_type);
        whole
    };
    set(&mut answer, ETAG, &etag);
    set(&mut answer, CACHE_CONTROL, "no-cache");
    answer
}

/// Seconds until an outage may be over.
const OUTAGE: u64 = 2;

/// A problem as the whole answer. One that may pass says when to come back.
pub fn problem(problem: &Problem) -> Response<Body> {
    let status = StatusCode::from_u16(problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut answer = text(status, Problem::MEDIA_TYPE, problem.to_json());
    let outage = (status == StatusCode::SERVICE_UNAVAILABLE).then_some(OUTAGE);
    if let Some(seconds) = problem.retry_after.or(outage) {
        set(&mut answer, RETRY_AFTER, &seconds.to_string());
    }
    match status {
        // RFC 9110, section 15.5.2
        StatusCode::UNAUTHORIZED => set(&mut answer, WWW_AUTHENTICATE, "Bearer"),
        // RFC 9110, section 12.5.3: of a 415 for the coding, and of no other.
        StatusCode::UNSUPPORTED_MEDIA_TYPE if problem.attribute.as_deref() == Some(CONTENT_ENCODING.as_str()) => {
            set(&mut answer, ACCEPT_ENCODING, content::ACCEPTED);
        }
        _ => {}
    }
    answer
}

/// Sets a header to a value that is known to be valid: digits, or an id of ours.
pub fn set(answer: &mut Response<Body>, name: lambda_http::http::HeaderName, value: &str) {
    answer.headers_mut().insert(name, value.parse().expect("a valid header value"));
}
