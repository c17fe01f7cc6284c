//! `GET /schemas/…`: what the `dataschema` of commands and events leads to.

use kernel::schema_uri::SchemaUri;
use lambda::http::{json, set, text};
use lambda::refusal::Answer;
use lambda::request::Parameters;
use lambda_http::http::StatusCode;
use lambda_http::http::header::CACHE_CONTROL;
use schemars::JsonSchema;
use serde::Serialize;

use crate::{Query, nothing_here};

#[derive(Serialize, JsonSchema)]
pub(crate) struct Schemas {
    #[schemars(inner(url))]
    schemas: Vec<String>,
}

impl Query {
    /// `GET /schemas`: all there are.
    pub(crate) fn schemas(&self, parameters: &Parameters) -> Answer {
        parameters.expect_only(&[])?;
        let mut schemas = Vec::new();
        for context in catalog::CONTEXTS {
            for message in context.messages() {
                let uri = |version| SchemaUri { context: context.name, name: message.name, version };
                schemas.extend(message.versions.iter().map(|version| uri(version.number).below(&self.public_url)));
            }
        }
        Ok(json(StatusCode::OK, &Schemas { schemas }))
    }
}

/// One schema. Data that it has accepted it goes on to accept; it may gain optional members.
pub(crate) fn schema(context: &str, name: &str, version: &str, parameters: &Parameters) -> Answer {
    let version = version.parse().map_err(|_| nothing_here())?;
    let schema = catalog::schema(context, name, version).ok_or_else(nothing_here)?;
    parameters.expect_only(&[])?;
    let mut answer = text(StatusCode::OK, "application/schema+json", schema.to_owned());
    set(&mut answer, CACHE_CONTROL, "private, max-age=3600");
    Ok(answer)
}
