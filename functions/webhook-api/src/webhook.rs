//! An endpoint as operators see it: all but its secrets.

use kernel::timestamp::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;
use store::webhooks::{Endpoint, Errand, PayloadKind, What};

/// An endpoint that gets the tenant's domain events.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "Webhook")]
pub(crate) struct Webhook<'a> {
    #[schemars(regex(pattern = "^[A-Za-z0-9]{16}$"))]
    id: &'a str,
    #[schemars(extend("format" = "uri"))]
    url: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'a str>,
    /// Events of these types are sent; none: of all.
    types: &'a [String],
    /// Events of these contexts are sent; none: of all.
    contexts: &'a [String],
    payload: PayloadKind,
    /// Events from then on are sent.
    since: Timestamp,
    status: WebhookStatus,
    /// Since when nothing was taken, if the last request came to nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    failing_since: Option<Timestamp>,
    /// When an event was taken last.
    #[serde(skip_serializing_if = "Option::is_none")]
    succeeded_at: Option<Timestamp>,
    /// What became of the last request, in a few words, for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    last_answer: Option<&'a str>,
    /// No request is made before.
    #[serde(skip_serializing_if = "Option::is_none")]
    not_before: Option<Timestamp>,
    /// Since when no events are sent, and why.
    #[serde(skip_serializing_if = "Option::is_none")]
    off: Option<WebhookOff<'a>>,
    /// The time whose events are being sent again.
    #[serde(skip_serializing_if = "Option::is_none")]
    resending: Option<WebhookSpan>,
    /// How many secrets sign.
    #[schemars(range(min = 1))]
    secrets: usize,
}

/// Whether events are sent.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum WebhookStatus {
    /// Events are sent.
    On,
    /// Events are sent, and the last request came to nothing.
    Failing,
    /// No events are sent. They wait until the endpoint is switched on.
    Off,
}

/// That no events are sent.
#[derive(Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(crate) struct WebhookOff<'a> {
    at: Timestamp,
    because: &'a str,
}

/// From when to when, both included.
#[derive(Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(crate) struct WebhookSpan {
    from: Timestamp,
    to: Timestamp,
}

impl<'a> Webhook<'a> {
    pub fn of(endpoint: &'a Endpoint, now: Timestamp) -> Self {
        let Endpoint { id, settings, health, not_before, off, errand, .. } = endpoint;
        let status = match (off, health.failing_since) {
            (Some(_), _) => WebhookStatus::Off,
            (None, Some(_)) => WebhookStatus::Failing,
            (None, None) => WebhookStatus::On,
        };
        Self {
            id: &id.id,
            url: &settings.url,
            description: settings.description.as_deref(),
            types: &settings.types,
            contexts: &settings.contexts,
            payload: settings.payload,
            since: settings.since,
            status,
            failing_since: health.failing_since,
            succeeded_at: health.succeeded_at,
            last_answer: health.last_answer.as_deref(),
            not_before: not_before.filter(|time| *time > now),
            off: off.as_ref().map(|off| WebhookOff { at: off.at, because: &off.because }),
            resending: resending(errand.as_ref()).map(WebhookSpan::of),
            secrets: settings.secrets.len(),
        }
    }
}

impl WebhookSpan {
    pub fn of(span: store::webhooks::Span) -> Self {
        Self { from: span.from, to: span.to }
    }
}

/// What an errand that is not done yet sends again.
pub(crate) fn resending(errand: Option<&Errand>) -> Option<store::webhooks::Span> {
    match errand?.what {
        What::Resend(span) => Some(span),
        What::Retry => None,
    }
}
