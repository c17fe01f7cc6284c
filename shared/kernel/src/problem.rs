//! Problem details (RFC 9457): the one shape of every error a client sees, in an answer or in an operation.
//!
//! `type` is stable and what a client decides by; `detail` tells its developer what to do. Internal errors never
//! get in here: whoever makes a problem of one writes a detail of its own and logs the cause.

use std::borrow::Cow;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use crate::cloud_event::Invalid;

/// What went wrong, as `application/problem+json` (RFC 9457). `docs/problems.md` says of each type what to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Problem {
    /// `urn:waybill:problem:` and the kind's name; for a business refusal, context and reason.
    #[serde(rename = "type")]
    #[schemars(with = "ProblemType")]
    pub ty: Cow<'static, str>,
    #[schemars(length(min = 1))]
    pub title: Cow<'static, str>,
    /// The HTTP status of the answer that carries it; inside an operation, the one that would have.
    #[schemars(range(min = 400, max = 599))]
    pub status: u16,
    /// For the client's developer.
    pub detail: String,
    /// The CloudEvents attribute that is wrong; in binary mode, its header.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attribute: Option<String>,
    /// Every complaint found, where there can be several: by JSON Pointer, or by index into a batch.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(min = 1))]
    pub errors: Vec<Complaint>,
    /// Seconds until the same may be sent again, where that is known: the header `Retry-After`.
    #[serde(skip)]
    pub retry_after: Option<u64>,
}

/// One of several complaints.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Complaint {
    /// Where in `data`, or in the body of an operator's request (RFC 6901); absent where the event itself is wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "json-pointer"))]
    pub pointer: Option<String>,
    /// Which event of a batch, from 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub index: Option<usize>,
    /// What is wrong with an event of a batch.
    #[serde(rename = "type", default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<ProblemType>")]
    pub ty: Option<Cow<'static, str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    /// The CloudEvents attribute that is wrong.
    pub attribute: Option<String>,
    pub detail: String,
}

/// Describes [`Problem::ty`].
enum ProblemType {}

impl JsonSchema for ProblemType {
    fn schema_name() -> Cow<'static, str> {
        "ProblemType".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "What is wrong, as a URN.",
            "anyOf": [generator.subschema_for::<ProblemKind>(), {
                "description": "A business refusal, by context and reason; the context's documentation lists them.",
                "type": "string",
                "pattern": "^urn:waybill:problem:[a-z]+:[a-z0-9-]+$",
            }],
        })
    }
}

/// Describes the types of [`Problem::KINDS`].
enum ProblemKind {}

impl JsonSchema for ProblemKind {
    fn schema_name() -> Cow<'static, str> {
        "ProblemKind".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let kinds: Vec<_> = Problem::KINDS.iter().map(|(ty, ..)| *ty).collect();
        json_schema!({ "description": "A kind of problem that is Waybill's own.", "type": "string", "enum": kinds })
    }
}

/// A detail longer than this, in bytes, is cut: much of what it may repeat comes from outside, and a batch has a hundred.
const LONGEST_DETAIL: usize = 4096;

fn bounded(mut detail: String) -> String {
    if detail.len() > LONGEST_DETAIL {
        detail.truncate(detail.floor_char_boundary(LONGEST_DETAIL));
        detail.push('…');
    }
    detail
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident: $status:literal, $slug:literal, $title:literal;)*) => {
        impl Problem {
            $($(#[$doc])*
            pub fn $name(detail: impl Into<String>) -> Self {
                Self {
                    ty: Cow::Borrowed(concat!("urn:waybill:problem:", $slug)),
                    title: Cow::Borrowed($title),
                    status: $status,
                    detail: bounded(detail.into()),
                    attribute: None,
                    errors: Vec::new(),
                    retry_after: None,
                }
            })*

            /// Every kind there is, as (`type`, status, title): what the documentation must list.
            pub const KINDS: &'static [(&'static str, u16, &'static str)] =
                &[$((concat!("urn:waybill:problem:", $slug), $status, $title)),*];
        }
    };
}

kinds! {
    /// The event breaks the CloudEvents specification; `attribute` says where.
    malformed_event: 400, "malformed-event", "The event is not a valid CloudEvent";
    /// At least one event of a batch cannot be taken, so none was.
    invalid_batch: 400, "invalid-batch", "The batch was not accepted";
    /// A query parameter is missing or cannot be read.
    bad_request: 400, "bad-request", "The request cannot be understood";
    unauthenticated: 401, "unauthenticated", "The caller is unknown";
    /// No grant lets this principal send this type from this source.
    not_permitted: 403, "not-permitted", "The caller may not do this";
    /// Unknown, forged and foreign are the same.
    not_found: 404, "not-found", "There is no such thing";
    /// A read model has not reached the version asked for.
    not_yet: 404, "not-yet", "Not there yet";
    method_not_allowed: 405, "method-not-allowed", "The method is not allowed here";
    /// The same source and id came before with other content, whose outcome stays.
    id_reused: 409, "id-reused", "The id was used for another command";
    /// The operation has another outcome, which stays.
    already_reported: 409, "already-reported", "The operation has its outcome";
    /// Somebody else acted on the parked message first.
    conflict: 409, "conflict", "Somebody was faster";
    /// There is nothing to be done about the finding any more, or a person has to do it.
    not_mended: 409, "not-mended", "Nothing was done";
    /// The aggregate is not at the version that the command expects; nothing was changed.
    unexpected_version: 412, "unexpected-version", "The aggregate is at another version";
    too_large: 413, "too-large", "The request is too large";
    unsupported_media_type: 415, "unsupported-media-type", "The content type is not supported";
    /// `data` breaks its schema; `errors` lists where.
    invalid_data: 422, "invalid-data", "The data does not match its schema";
    unknown_schema: 422, "unknown-schema", "The schema is unknown";
    unknown_type: 422, "unknown-type", "The command type is unknown";
    /// The subject cannot name an aggregate.
    invalid_subject: 422, "invalid-subject", "The subject is not an aggregate id";
    /// What is parked is no command, so there is nothing in it to repair.
    not_repairable: 422, "not-repairable", "This cannot be repaired";
    /// Folding it would take longer than somebody waits.
    history_too_long: 422, "history-too-long", "The history is too long for that";
    /// More commands than the tenant may send, or than one stream may get; none was taken.
    too_many_requests: 429, "too-many-requests", "Too many commands";
    /// Nothing of the tenant's is taken until the operator lets it go on.
    tenant_paused: 429, "tenant-paused", "The tenant is paused";
    /// An operator gave the command up; `detail` is their reason.
    discarded: 500, "discarded", "The command was discarded";
    /// Set aside for a person; the operation goes on once it is repaired or discarded.
    parked: 500, "parked", "The command is set aside for repair";
    /// What is stored cannot be read by this build. Trying again does not help; the operator has been told.
    internal: 500, "internal", "Something is wrong here";
    /// Failed for a passing reason; it is sent back to its queue by and by.
    retrying: 503, "retrying", "The command will be tried again";
    /// Nothing was taken; the same request may be sent again.
    unavailable: 503, "unavailable", "The service cannot take this now";
}

impl Problem {
    /// The media type of a problem on its own.
    pub const MEDIA_TYPE: &'static str = "application/problem+json";

    /// A business refusal: final, and the context's own words.
    pub fn rejected(context: &str, reason: &str, detail: impl Into<String>) -> Self {
        Self {
            ty: format!("urn:waybill:problem:{context}:{reason}").into(),
            title: Cow::Borrowed("The command was refused"),
            status: 422,
            detail: bounded(detail.into()),
            attribute: None,
            errors: Vec::new(),
            retry_after: None,
        }
    }

    #[must_use]
    pub fn about(mut self, attribute: impl Into<String>) -> Self {
        self.attribute = Some(attribute.into());
        self
    }

    #[must_use]
    pub fn listing(mut self, errors: Vec<Complaint>) -> Self {
        self.errors = errors;
        self
    }

    /// Says when the same may be sent again. Parts of a second count as a whole one.
    #[must_use]
    pub fn to_be_tried_again_after(mut self, time: Duration) -> Self {
        self.retry_after = Some(time.as_secs() + u64::from(time.subsec_nanos() > 0));
        self
    }

    /// This problem as one complaint about the batch it was found in.
    pub fn at_index(self, index: usize) -> Complaint {
        Complaint {
            pointer: None,
            index: Some(index),
            ty: Some(self.ty),
            attribute: self.attribute,
            detail: self.detail,
        }
    }

    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("a problem has only string keys")
    }
}

/// The event is malformed, at the attribute that is named.
impl From<Invalid> for Problem {
    fn from(invalid: Invalid) -> Self {
        let attribute = invalid.attribute().map(str::to_owned);
        Self { attribute, ..Self::malformed_event(invalid.to_string()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_has_the_members_of_rfc_9457() {
        let problem = Problem::malformed_event("id must not be empty").about("id");
        assert_eq!(
            problem.to_json(),
            r#"{"type":"urn:waybill:problem:malformed-event","title":"The event is not a valid CloudEvent","status":400,"detail":"id must not be empty","attribute":"id"}"#
        );
    }

    #[test]
    fn a_detail_is_as_long_as_a_page_at_most() {
        let detail = |text: &str| Problem::unknown_type(text).detail;
        assert_eq!(detail(&"é".repeat(2048)), "é".repeat(2048));
        assert_eq!(detail(&format!("a{}", "é".repeat(100_000))), format!("a{}…", "é".repeat(2047)));
    }

    #[test]
    fn types_are_distinct() {
        let mut types: Vec<_> = Problem::KINDS.iter().map(|kind| kind.0).collect();
        types.sort_unstable();
        types.dedup();
        assert_eq!(types.len(), Problem::KINDS.len());
    }
}
