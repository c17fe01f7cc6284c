//! An HTTP API's events (payload format 2.0) as requests, and answers as it takes them from a function.
//!
//! `lambda_http` has this too, but it makes a URL of headers, path and query, all of which are the client's, and panics
//! where they make none. Here a request has no URL: path and query are read from its extensions
//! ([`request`](crate::request)).

use std::future::Future;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use kernel::problem::Problem;
use lambda_http::aws_lambda_events::apigw::ApiGatewayV2httpRequest as Event;
use lambda_http::aws_lambda_events::query_map::QueryMap;
use lambda_http::http::header::{STRICT_TRANSPORT_SECURITY, X_CONTENT_TYPE_OPTIONS};
use lambda_http::http::{HeaderMap, HeaderValue, Method};
use lambda_http::request::RequestContext;
use lambda_http::{Body, Request, RequestExt as _, Response};
use serde_json::{Value, json};

use crate::refusal::Refusal;

/// Answers the request in `event`, in the form that the HTTP API takes. Nothing that a client can send makes it panic or
/// fail: what makes no request is a problem, and `handle` does not hear of it.
///
/// `handle` gets HEAD as GET, and the content of its answer is left out (RFC 9110, section 9.3.2).
pub async fn serve<A>(event: &str, handle: impl FnOnce(Request) -> A) -> Value
where
    A: Future<Output = Response<Body>>,
{
    let mut answer = match serde_json::from_str::<Event>(event) {
        Ok(event) if event.request_context.http.method == Method::HEAD => {
            let mut answer = answer(event, handle).await;
            *answer.body_mut() = Body::Empty;
            answer
        }
        Ok(event) => answer(event, handle).await,
        Err(_) => Refusal::from(Problem::bad_request("this is no request that HTTP allows")).into_response(),
    };
    protect(answer.headers_mut());
    into_value(&answer)
}

async fn answer<A>(event: Event, handle: impl FnOnce(Request) -> A) -> Response<Body>
where
    A: Future<Output = Response<Body>>,
{
    match request(event) {
        Ok(request) => handle(request).await,
        Err(problem) => Refusal::from(problem).into_response(),
    }
}

#[expect(clippy::result_large_err, reason = "a problem is made once a request and becomes the answer")]
fn request(event: Event) -> Result<Request, Problem> {
    let query = event.raw_query_string.unwrap_or_default();
    if percent_encoding::percent_decode_str(&query).decode_utf8().is_err() {
        return Err(Problem::bad_request("the query is not in UTF-8 once percent-decoded"));
    }
    let query: QueryMap = query.parse().unwrap_or_default();
    let body = match (event.body, event.is_base64_encoded) {
        (None, _) => Body::Empty,
        (Some(text), false) => Body::Text(text),
        (Some(text), true) => Body::Binary(
            BASE64.decode(text).map_err(|_| Problem::bad_request("the gateway's encoding of the body is broken"))?,
        ),
    };
    let mut request = Request::new(body);
    *request.method_mut() = match event.request_context.http.method.clone() {
        Method::HEAD => Method::GET,
        method => method,
    };
    *request.headers_mut() = event.headers;
    Ok(request
        .with_raw_http_path(event.raw_path.unwrap_or_default())
        .with_query_string_parameters(query)
        .with_request_context(RequestContext::ApiGatewayV2(event.request_context)))
}

/// What every answer says: reach this host by TLS alone for a year (RFC 6797; clients ignore it where there is no TLS),
/// and take the content for what its media type says.
fn protect(headers: &mut HeaderMap) {
    headers.insert(STRICT_TRANSPORT_SECURITY, HeaderValue::from_static("max-age=31536000"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
}

/// Text bodies only, which is all that functions answer with.
fn into_value(answer: &Response<Body>) -> Value {
    let headers: serde_json::Map<_, _> = answer
        .headers()
        .iter()
        .filter_map(|(name, value)| Some((name.to_string(), value.to_str().ok()?.into())))
        .collect();
    let body = std::str::from_utf8(answer.body().as_ref()).unwrap_or_default();
    json!({ "statusCode": answer.status().as_u16(), "headers": headers, "body": body, "isBase64Encoded": false })
}

#[cfg(test)]
mod tests;
