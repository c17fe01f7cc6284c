//! What needs no token, because it is the same for everybody: the API's description, and whether it answers at all.

use lambda::http::{asset, json};
use lambda::refusal::Answer;
use lambda::request::Parameters;
use lambda_http::http::StatusCode;
use lambda_http::{Body, Request, Response};
use schemars::JsonSchema;
use serde::Serialize;

use crate::Query;

#[derive(Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(crate) struct Health {
    #[schemars(extend("const" = "ok"))]
    status: &'static str,
}

const DESCRIPTION: &str = include_str!("../../../openapi.yaml");

/// What stands for the API's own address in the description and its examples.
const EXAMPLE: &str = "https://api.example";

impl Query {
    /// `GET /openapi.yaml` (media type: RFC 9512), with this API's own address.
    pub(crate) fn description(&self, parameters: &Parameters, request: &Request) -> Answer {
        parameters.expect_only(&[])?;
        Ok(asset(request, "application/yaml", DESCRIPTION.replace(EXAMPLE, &self.public_url)))
    }
}

/// `OPTIONS`, for whatever there is.
pub(crate) fn nothing() -> Response<Body> {
    let mut nothing = Response::new(Body::Empty);
    *nothing.status_mut() = StatusCode::NO_CONTENT;
    nothing
}

/// `GET /health`: gateway and function answer. It asks nothing else, so it loads nothing and tells nothing; whether
/// commands go all the way is what the synthetic check finds out.
pub(crate) fn health(parameters: &Parameters) -> Answer {
    parameters.expect_only(&[])?;
    Ok(json(StatusCode::OK, &Health { status: "ok" }))
}
