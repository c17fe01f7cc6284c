//! `GET /{collection}/{id}/history`: what happened to an aggregate, or how it was at a time.

use kernel::cloud_event::batch_to_json;
use kernel::context::ReadModel;
use kernel::ids::{AggregateId, StreamId};
use kernel::problem::Problem;
use kernel::timestamp::Timestamp;
use lambda::caller::Caller;
use lambda::http::{json, set};
use lambda::request::Parameters;
use lambda_http::http::StatusCode;
use lambda_http::http::header::LINK;
use store::StoreError;

use crate::{Answer, Query, nothing_here};

/// Commits read in one call. An answer holds the events of one such page, which DynamoDB keeps under 1 MB.
const PAGE: i32 = 100;

/// Commits folded at a time on the way to a point in the past.
const FOLD: i32 = 1000;

impl Query {
    /// The events, oldest first, as a CloudEvents batch; `?asOf=` a time: the document as it was then.
    pub(crate) async fn history(
        &self,
        caller: &Caller,
        collection: &str,
        id: &AggregateId,
        parameters: &Parameters,
    ) -> Answer {
        let (context, read_model) = catalog::read_model(collection).ok_or_else(nothing_here)?;
        parameters.expect_only(&["asOf", "cursor"])?;
        let stream =
            StreamId { tenant: caller.tenant.clone(), context: context.name.to_owned(), aggregate: id.clone() };
        if let Some(as_of) = parameters.text("asOf") {
            let time = Timestamp::parse(as_of).ok_or_else(|| {
                Problem::bad_request("asOf is an RFC 3339 timestamp such as 2026-01-31T12:00:00Z; in a URL, + is %2B")
            })?;
            return self.as_of(&stream, read_model, time).await;
        }
        let from = parameters.number("cursor")?.unwrap_or(0);
        let (events, next) = self.streams.history(&stream, from, PAGE).await?;
        if events.is_empty() && from == 0 {
            return Err(nothing_here().into());
        }
        let schemas = format!("{}/schemas", self.public_url);
        let events: Vec<_> = events.iter().map(|event| event.to_cloud_event(&schemas)).collect();
        let mut answer = json(StatusCode::OK, "application/cloudevents-batch+json", batch_to_json(events.iter()));
        if let Some(next) = next {
            let link = format!("<{}/{collection}/{id}/history?cursor={next}>; rel=\"next\"", self.public_url);
            set(&mut answer, LINK, &link);
        }
        Ok(answer)
    }

    async fn as_of(&self, stream: &StreamId, read_model: &dyn ReadModel, time: Timestamp) -> Answer {
        let mut document = None;
        let mut from = 0;
        loop {
            let (mut events, next) = self.streams.history(stream, from, FOLD).await?;
            let all = events.len();
            events.retain(|event| event.time <= time);
            let reached = events.len() < all;
            if !events.is_empty() {
                let projected = read_model.project(document.as_deref(), &events);
                let projected =
                    projected.map_err(|source| StoreError::Corrupt { what: "history", source: source.into() })?;
                document = Some(projected.document);
            }
            match next.filter(|_| !reached) {
                Some(next) => from = next,
                None => break,
            }
        }
        let document = document.ok_or_else(nothing_here)?;
        Ok(json(StatusCode::OK, "application/json", document))
    }
}
