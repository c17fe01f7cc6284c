//! The request that carries an event to an endpoint: the `CloudEvent` in structured mode, signed as Standard Webhooks says.

use http::header::{CONTENT_TYPE, USER_AGENT};
use kernel::domain_event::RecordedEvent;
use kernel::timestamp::Timestamp;
use kernel::webhook_signature::{ID_HEADER, SIGNATURE_HEADER, TIMESTAMP_HEADER, WebhookId, sign};
use store::webhooks::{EndpointSettings, PayloadKind};

/// The media type of an event in structured mode (`CloudEvents` 1.0.2, HTTP binding, section 3.2).
const STRUCTURED: &str = "application/cloudevents+json; charset=utf-8";

/// The request, signed at `now`. Its id is the event's, and the same however often it is sent.
pub(crate) fn of(
    event: &RecordedEvent,
    settings: &EndpointSettings,
    public_url: &str,
    now: Timestamp,
) -> http::Result<http::Request<String>> {
    let mut event = event.to_cloud_event(public_url);
    if settings.payload == PayloadKind::Thin {
        event.remove_data();
    }
    let id = WebhookId::of_event(event.source(), event.id());
    let body = event.to_json();
    let signature = sign(&settings.secrets, &id, now, body.as_bytes());
    http::Request::post(&settings.url)
        .header(CONTENT_TYPE, STRUCTURED)
        .header(USER_AGENT, "Waybill")
        .header(ID_HEADER, id.as_str())
        .header(TIMESTAMP_HEADER, now.seconds())
        .header(SIGNATURE_HEADER, signature)
        .body(body)
}
