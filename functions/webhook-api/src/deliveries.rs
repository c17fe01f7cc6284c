//! `GET /webhooks/{id}/deliveries`: how far an endpoint is with each stream.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use kernel::ids::StreamId;
use kernel::problem::Problem;
use kernel::timestamp::Timestamp;
use lambda::http::json;
use lambda::refusal::Answer;
use lambda::request::Parameters;
use lambda_http::http::StatusCode;
use schemars::JsonSchema;
use serde::Serialize;
use store::webhooks::EndpointId;
use store::webhooks::progress::Progress;

use crate::webhook::WebhookSpan;
use crate::{Office, TENANT};

/// Streams that are read at a time to find those of one status.
const PAGE: usize = 100;

/// How often streams are read for one answer. If those that are asked for are few, there may be none in it, and `next` all
/// the same.
const MOST_PAGES: usize = 10;

/// Part of a list.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "WebhookDeliveries", deny_unknown_fields)]
pub(crate) struct Deliveries {
    items: Vec<Delivery>,
    /// To be given back as `cursor`; absent at the end. There may be fewer items than asked for, or none, and more behind.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = "^[A-Za-z0-9_-]+$"))]
    next: Option<String>,
}

/// How far a webhook is with a stream.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "WebhookDelivery", deny_unknown_fields)]
pub(crate) struct Delivery {
    /// The aggregate's stream: its context, its type if it is not of the context's first, and its id.
    stream: String,
    status: DeliveryStatus,
    /// Up to this version of the aggregate, nothing is left to send.
    version: u64,
    /// The latest version that is known to be wanted.
    head: u64,
    /// How often the next event was tried.
    #[serde(skip_serializing_if = "Option::is_none")]
    attempts: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    failing_since: Option<Timestamp>,
    /// When the next event was tried last.
    #[serde(skip_serializing_if = "Option::is_none")]
    tried_at: Option<Timestamp>,
    /// What became of it then, in a few words, for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    answer: Option<String>,
    /// No sooner is it tried again.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_try_at: Option<Timestamp>,
    /// When the last event was taken.
    #[serde(skip_serializing_if = "Option::is_none")]
    sent_at: Option<Timestamp>,
    /// The time whose events are sent again first.
    #[serde(skip_serializing_if = "Option::is_none")]
    again: Option<WebhookSpan>,
}

/// What becomes of a stream's next event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum DeliveryStatus {
    /// It was tried and not taken, and is tried again.
    Failing,
    /// It was tried for days and not taken, while others were. It is tried no more, and what comes behind it waits, until an
    /// operator says so.
    Held,
    /// It is to be sent.
    Waiting,
    /// There is none: all that is wanted was sent.
    Sent,
}

impl DeliveryStatus {
    const ALL: [(&'static str, Self); 4] =
        [("failing", Self::Failing), ("held", Self::Held), ("waiting", Self::Waiting), ("sent", Self::Sent)];

    fn of(progress: &Progress) -> Self {
        match progress {
            Progress { failing: Some(failing), .. } if failing.held => Self::Held,
            Progress { failing: Some(_), .. } => Self::Failing,
            Progress { due: Some(_), .. } => Self::Waiting,
            Progress { due: None, .. } => Self::Sent,
        }
    }
}

impl Delivery {
    fn of(progress: Progress) -> Self {
        let status = DeliveryStatus::of(&progress);
        let Progress { stream, head, done, due, failing, again, sent_at, .. } = progress;
        let StreamId { context, .. } = &stream;
        Self {
            stream: format!("{context}/{}", stream.within_context()),
            status,
            version: done.map_or(0, |done| done.version),
            head,
            attempts: failing.as_ref().map(|failing| failing.attempts),
            failing_since: failing.as_ref().map(|failing| failing.since),
            tried_at: failing.as_ref().map(|failing| failing.at),
            answer: failing.map(|failing| failing.answer),
            next_try_at: due,
            sent_at,
            again: again.map(|again| WebhookSpan::of(again.span)),
        }
    }
}

impl Office {
    pub(crate) async fn deliveries(&self, id: &EndpointId, parameters: &Parameters) -> Answer {
        parameters.expect_only(&["status", "limit", "cursor", TENANT])?;
        let names = DeliveryStatus::ALL.map(|(name, _)| name);
        let status = parameters.one_of("status", &names)?;
        let status = DeliveryStatus::ALL.into_iter().find(|(name, _)| Some(*name) == status).map(|(_, status)| status);
        let limit = parameters.limit()?;
        let mut behind = cursor(parameters, id)?;
        self.find(id).await?;

        // One more than asked for, to know whether there is more.
        let page = if status.is_some() { PAGE } else { limit + 1 };
        let page = i32::try_from(page).unwrap_or(i32::MAX);
        let mut found: Vec<Progress> = Vec::new();
        let mut more = true;
        for _ in 0..MOST_PAGES {
            let (rows, has_more) = self.webhooks.list(id, behind.as_deref(), page).await?;
            more = has_more;
            behind = rows.last().map(|row| row.stream.to_string()).or(behind);
            found.extend(rows.into_iter().filter(|row| status.is_none_or(|status| DeliveryStatus::of(row) == status)));
            if !more || found.len() > limit {
                break;
            }
        }
        if found.len() > limit {
            found.truncate(limit);
            (more, behind) = (true, found.last().map(|row| row.stream.to_string()));
        }
        let next = behind.filter(|_| more).map(|stream| BASE64.encode(stream));
        let items = found.into_iter().map(Delivery::of).collect();
        Ok(json(StatusCode::OK, &Deliveries { items, next }))
    }
}

/// Where to go on: behind this stream, which an earlier part ended with.
fn cursor(parameters: &Parameters, id: &EndpointId) -> Result<Option<String>, Problem> {
    let Some(text) = parameters.text("cursor") else { return Ok(None) };
    let decoded = BASE64.decode(text).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    let stream = decoded.and_then(|decoded| StreamId::parse(&decoded).ok());
    let stream = stream.filter(|stream| stream.tenant == id.tenant).map(|stream| stream.to_string());
    stream.map(Some).ok_or_else(|| Problem::bad_request("the cursor is not one that was given out"))
}
