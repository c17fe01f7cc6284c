//! `GET /{collection}/{id}/history`: what happened to an aggregate, or how it was at a time.

use catalog::Owned;
use kernel::cloud_event::batch_to_json;
use kernel::context::ReadModel;
use kernel::ids::{AggregateId, StreamId};
use kernel::problem::Problem;
use kernel::timestamp::Timestamp;
use lambda::caller::Caller;
use lambda::http::{set, text};
use lambda::refusal::Answer;
use lambda::request::Parameters;
use lambda_http::Request;
use lambda_http::http::StatusCode;
use lambda_http::http::header::LINK;
use store::StoreError;

use crate::grants::Sight;
use crate::{Query, nothing_here};

/// Commits read in one call. An answer holds the events of one such page, which DynamoDB keeps under 1 MB.
const PAGE: i32 = 100;

/// Commits folded at a time on the way to a point in the past. DynamoDB gives less if they are more than 1 MB.
const FOLD: i32 = 1000;

/// How often at most: so an answer comes within seconds, however long the history is.
const MOST_FOLDS: usize = 10;

impl Query {
    /// The events, oldest first, as a CloudEvents batch; `?asOf=` a time: the document as it was then.
    pub(crate) async fn history(
        &self,
        caller: &Caller,
        collection: &str,
        id: &AggregateId,
        parameters: &Parameters,
        request: &Request,
    ) -> Answer {
        let of = (self.read_model)(collection).ok_or_else(nothing_here)?;
        let Owned { context, aggregate_type, read_model } = of;
        let sight = self.sight(request, caller, collection).await?;
        parameters.expect_only(&["asOf", "cursor"])?;
        let (as_of, from) = (as_of(parameters)?, parameters.number("cursor")?);
        if sight != Sight::All {
            // Whose it is, its document says.
            let row = self.read_models.get(&caller.tenant, collection, id).await?;
            let shown = self.shown(of, &caller.tenant, row.ok_or_else(nothing_here)?).await?;
            if !sight.includes(&shown.owner) {
                return Err(nothing_here().into());
            }
        }
        let stream = context.stream(aggregate_type, caller.tenant.clone(), id.clone());
        match (as_of, from) {
            (Some(time), None) => self.as_of(&stream, read_model, time).await,
            (Some(_), Some(_)) => {
                Err(Problem::bad_request("asOf and cursor exclude each other: a document has no parts").into())
            }
            (None, from) => self.events(&stream, collection, from.unwrap_or(0)).await,
        }
    }

    /// Events from the commit after `from` on, with a link to the next part.
    async fn events(&self, stream: &StreamId, collection: &str, from: u64) -> Answer {
        let (events, next) = self.streams.history(stream, from, PAGE).await?;
        if events.is_empty() && from == 0 {
            return Err(nothing_here().into());
        }
        let events: Vec<_> = events.iter().map(|event| event.to_cloud_event(&self.public_url)).collect();
        let mut answer = text(StatusCode::OK, "application/cloudevents-batch+json", batch_to_json(events.iter()));
        if let Some(next) = next {
            let (base, id) = (&self.public_url, &stream.aggregate);
            set(&mut answer, LINK, &format!("<{base}/{collection}/{id}/history?cursor={next}>; rel=\"next\""));
        }
        Ok(answer)
    }

    async fn as_of(&self, stream: &StreamId, read_model: &dyn ReadModel, time: Timestamp) -> Answer {
        let mut document = None;
        let mut from = Some(0);
        for _ in 0..MOST_FOLDS {
            let Some(after) = from else { break };
            let (mut events, next) = self.streams.history(stream, after, FOLD).await?;
            let all = events.len();
            events.retain(|event| event.time <= time);
            if !events.is_empty() {
                let projected = read_model.project(document.as_deref(), &events);
                let projected =
                    projected.map_err(|source| StoreError::Corrupt { what: "history", source: source.into() })?;
                document = Some(projected.document);
            }
            let reached = events.len() < all;
            from = next.filter(|_| !reached);
        }
        if from.is_some() {
            let detail =
                "there are more events up to then than are folded for an answer; read the history part by part";
            return Err(Problem::history_too_long(detail).into());
        }
        let document = document.ok_or_else(nothing_here)?;
        Ok(text(StatusCode::OK, "application/json", document))
    }
}

/// The time to show the document as of. Before 1970 nothing was, as little as in its first moment.
fn as_of(parameters: &Parameters) -> Result<Option<Timestamp>, Problem> {
    let read = |text: &str| {
        Timestamp::parse_from_1970(text).ok_or_else(|| {
            Problem::bad_request("asOf is an RFC 3339 timestamp such as 2026-01-31T12:00:00Z; in a URL, + is %2B")
        })
    };
    parameters.text("asOf").map(read).transpose()
}
