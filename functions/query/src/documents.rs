//! Read models: one document, lists of them, and their totals.

use kernel::day::Day;
use kernel::ids::AggregateId;
use kernel::problem::Problem;
use lambda::caller::Caller;
use lambda::http::{json, set, text};
use lambda::refusal::Answer;
use lambda::request::{Parameters, has_already};
use lambda_http::http::StatusCode;
use lambda_http::http::header::{CACHE_CONTROL, ETAG, LINK, RETRY_AFTER};
use lambda_http::{Body, Request, Response};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Serialize;
use serde_json::value::RawValue;
use store::read_models::{By, Totals};

use crate::grants::Sight;
use crate::{Query, cursor, nothing_here, parameters};

/// A client may keep a document, and must ask whether it still holds.
pub(crate) const REVALIDATE: &str = "private, no-cache";

/// Part of a list.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "DocumentList")]
pub(crate) struct List<'a> {
    #[schemars(schema_with = "documents")]
    items: Vec<Box<RawValue>>,
    /// To be given back as `cursor`; absent at the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = "^[A-Za-z0-9_-]+$"))]
    next: Option<&'a str>,
}

/// `openapi.yaml` says by itself what a document is: its shape is its context's.
fn documents(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "array", "items": { "$ref": "#/components/schemas/Document" } })
}

#[derive(Serialize, JsonSchema)]
pub(crate) struct Report {
    /// Of all time, or of the days asked for together. What comes to 0 is not listed.
    totals: Totals,
    /// Of a range: the days that have totals, in order.
    #[serde(skip_serializing_if = "Option::is_none")]
    days: Option<Vec<DayReport>>,
}

#[derive(Serialize, JsonSchema)]
pub(crate) struct DayReport {
    /// In UTC.
    day: Day,
    totals: Totals,
}

/// A document of a version is another one in another layout. The first layout's tag is the version alone.
fn entity_tag(version: u64, layout: u32) -> String {
    if layout == 1 { format!("\"{version}\"") } else { format!("\"{version}.{layout}\"") }
}

impl Query {
    /// `GET /{collection}/{id}`. `?version=n` asks for version n or newer.
    pub(crate) async fn document(
        &self,
        caller: &Caller,
        collection: &str,
        id: &AggregateId,
        parameters: &Parameters,
        request: &Request,
    ) -> Answer {
        let of = (self.read_model)(collection).ok_or_else(nothing_here)?;
        let sight = self.sight(request, caller, collection).await?;
        parameters.expect_only(&["version"])?;
        let wanted = parameters.number("version")?;
        let shown = match self.read_models.get(&caller.tenant, collection, id).await? {
            Some(row) => Some(self.shown(of, &caller.tenant, row).await?),
            None => None,
        };
        // What is another owner's is as absent as what never was.
        let shown = shown.filter(|shown| sight.includes(&shown.owner));
        if wanted.is_some_and(|wanted| shown.as_ref().is_none_or(|shown| shown.version < wanted)) {
            let mut answer = lambda::http::problem(&Problem::not_yet("the read model is not at this version yet"));
            set(&mut answer, RETRY_AFTER, "1");
            return Ok(answer);
        }
        let shown = shown.ok_or_else(nothing_here)?;
        let etag = entity_tag(shown.version, of.read_model.layout());
        let mut answer = if has_already(request, &etag) {
            let mut unchanged = Response::new(Body::Empty);
            *unchanged.status_mut() = StatusCode::NOT_MODIFIED;
            unchanged
        } else {
            text(StatusCode::OK, "application/json", shown.document)
        };
        set(&mut answer, ETAG, &etag);
        set(&mut answer, CACHE_CONTROL, REVALIDATE);
        Ok(answer)
    }

    /// `GET /{collection}`, by owner, by state or by both, newest first.
    pub(crate) async fn list(
        &self,
        caller: &Caller,
        collection: &str,
        parameters: &Parameters,
        request: &Request,
    ) -> Answer {
        let of = (self.read_model)(collection).ok_or_else(nothing_here)?;
        let read_model = of.read_model;
        let sight = self.sight(request, caller, collection).await?;
        let filters = read_model.filters();
        parameters.expect_only(&[filters.owner, filters.state, "cursor", "limit"])?;
        let (owner, state) =
            (parameters::filter(parameters, filters.owner)?, parameters::state(parameters, read_model)?);
        let by = match (owner, state) {
            (Some(owner), state) => By::Owner { owner, state },
            (None, Some(state)) => By::State(state),
            (None, None) => {
                let detail = format!("say which {collection}: by {}, by {}, or by both", filters.owner, filters.state);
                return Err(Problem::bad_request(detail).into());
            }
        };
        if let Sight::Own(owners) = &sight
            && !owner.is_some_and(|owner| sight.includes(owner))
        {
            let detail = format!("read {collection} of your own alone: by {}={}", filters.owner, owners.join(" or "));
            return Err(Problem::not_permitted(detail).into());
        }
        let (limit, before) = (parameters.limit()?, parameters::place(parameters)?);
        let page = self.read_models.list(&caller.tenant, collection, by, before.as_deref(), limit).await?;
        let (shown, _) = self.all_shown(of, &caller.tenant, by, page.rows).await?;
        let items: Result<Vec<_>, _> = shown.into_iter().map(|shown| RawValue::from_string(shown.document)).collect();
        let items = items.map_err(|source| store::StoreError::Corrupt { what: "read model", source: source.into() })?;
        let next = page.next.as_deref().map(cursor::write);
        let mut answer = json(StatusCode::OK, &List { items, next: next.as_deref() });
        if let Some(next) = next {
            let filter = |name, value: Option<&str>| {
                value.map(|value| format!("{name}={}&", parameters::encode(value))).unwrap_or_default()
            };
            let filters = filter(filters.owner, owner) + &filter(filters.state, state);
            let base = &self.public_url;
            let link = format!("<{base}/{collection}?{filters}limit={limit}&cursor={next}>; rel=\"next\"");
            set(&mut answer, LINK, &link);
        }
        Ok(answer)
    }

    /// `GET /reports/{collection}`: its totals, of all time or by day.
    pub(crate) async fn report(
        &self,
        caller: &Caller,
        collection: &str,
        parameters: &Parameters,
        request: &Request,
    ) -> Answer {
        // An overview has no totals.
        (self.read_model)(collection).ok_or_else(nothing_here)?;
        if self.sight(request, caller, collection).await? != Sight::All {
            return Err(Problem::not_permitted("totals are of all owners, and you may read your own documents").into());
        }
        parameters.expect_only(&["from", "to"])?;
        let Some(range) = parameters::days(parameters)? else {
            let totals = self.read_models.report(&caller.tenant, collection).await?;
            return Ok(json(StatusCode::OK, &Report { totals, days: None }));
        };
        let days = self.read_models.report_by_day(&caller.tenant, collection, &range).await?;
        let mut totals = Totals::new();
        for (name, amount) in days.values().flatten() {
            *totals.entry(name.clone()).or_default() += amount;
        }
        totals.retain(|_, amount| *amount != 0);
        let days = days.into_iter().map(|(day, totals)| DayReport { day, totals }).collect();
        Ok(json(StatusCode::OK, &Report { totals, days: Some(days) }))
    }
}
