//! Requests as the HTTP API hands them to a function, and what tells the version of an answer.

use bench::http::client;
use bench::{Answer, Request};

/// A request by a machine client. `target` is path and query.
pub fn request(
    method: &'static str,
    target: &str,
    by: &str,
    content_type: &str,
    body: Option<&str>,
) -> lambda_http::Request {
    let request = Request::get(target).method(method).header("content-type", content_type);
    let request = request.by(client(by, "waybill/submit waybill/read waybill/operate"));
    request.body(body.unwrap_or_default()).into_http()
}

/// The version that an entity tag names.
pub fn version(answer: &Answer) -> Option<u64> {
    answer.headers.get("etag")?.to_str().ok()?.trim_matches('"').split('.').next()?.parse().ok()
}
