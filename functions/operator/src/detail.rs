//! `GET /parked/{id}`: a message with all that is known of it.

use kernel::cloud_event::CloudEvent;
use kernel::command::Command;
use kernel::parking::Reason;
use kernel::problem::{Complaint, Problem};
use kernel::schema_uri::SchemaUri;
use lambda::caller::Operator;
use lambda::http::json;
use lambda::refusal::{Answer, Refusal, registry_problem};
use lambda::request::Parameters;
use lambda::telemetry::chain;
use lambda_http::http::StatusCode;
use recovery::resubmission;
use schemars::{JsonSchema, Schema as Described, SchemaGenerator, json_schema};
use schemas::{Budget, Schema, TenantSchemas, command_data, complaints};
use serde::Serialize;
use serde_json::Value;
use serde_json::value::RawValue;
use store::StoreError;
use store::parked::{ParkedMessage, Stage, Summary, What, steps};

use crate::Desk;
use crate::history::History;
use crate::list::Item;
use crate::outcome::Outcome;
use crate::parking::Parking;
use crate::prospect::obstacle;

/// A message with all that is known of it.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "ParkedMessage")]
pub(crate) struct Detail<'a> {
    #[serde(flatten)]
    item: Item<'a>,
    stage: Stage,
    /// What became of it.
    outcome: Outcome,
    /// Why resubmitting it as it is would end the same; absent where it may go well.
    #[serde(skip_serializing_if = "Option::is_none")]
    obstacle: Option<&'static str>,
    /// Whether its data can be replaced.
    repairable: bool,
    /// The queue message, as it was parked or repaired.
    message: &'a str,
    /// Of the CloudEvent in it, letter for letter; null if it is none.
    #[schemars(with = "Value")]
    data: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "uri"))]
    dataschema: Option<&'a str>,
    /// The JSON Schema that `dataschema` names; null if there is none.
    #[schemars(schema_with = "schema_or_null")]
    schema: Option<&'a RawValue>,
    /// What its schemas have against the data: that one, and those of the tenant's own.
    complaints: Vec<Complaint>,
    #[serde(flatten)]
    history: History,
}

fn schema_or_null(_: &mut SchemaGenerator) -> Described {
    json_schema!({ "anyOf": [{ "$ref": "#/components/schemas/JsonSchema" }, { "type": "null" }] })
}

/// Of how many revisions the message itself tells the history.
const LATELY: u16 = 5;

impl Desk {
    pub(crate) async fn detail(&self, operator: &Operator, id: &str, parameters: &Parameters) -> Answer {
        parameters.expect_only(&[])?;
        let parking = self.parking(operator, id).await?;
        let parked = &parking.message;
        let past = self.parked.past(&parked.summary, None, LATELY).await?;
        let outcome = self.outcome(&parking).await?;
        let summary = self.summary_then(&parking).await?;
        let event = CloudEvent::from_json(parked.message.as_bytes()).ok();
        let data = event.as_ref().and_then(CloudEvent::json);
        let schema = event
            .as_ref()
            .and_then(named_version)
            .and_then(|named| catalog::schema(named.context, named.name, named.version));
        let (repair, complaints) = self.judged(parked, data.unwrap_or("null")).await;
        let reads = repair.as_ref().map(|schemas| schemas.bundled_accepts(data.unwrap_or("null")));
        let waits = parking.stage() == Stage::Waiting;
        let lately = steps(parked.summary.revision, parked.history.clone());
        let detail = Detail {
            item: Item::of(&summary, &parking.id, operator),
            stage: parking.stage(),
            outcome,
            obstacle: obstacle(parked, reads).filter(|_| waits),
            repairable: waits && repair.is_some(),
            message: &parked.message,
            data: data.and_then(|data| serde_json::from_str(data).ok()),
            dataschema: event.as_ref().and_then(CloudEvent::dataschema),
            schema: schema.and_then(|schema| serde_json::from_str(schema).ok()),
            complaints,
            history: History::of(past, lately, operator),
        };
        Ok(json(StatusCode::OK, &detail))
    }

    /// What is known of the message, with why and when it was parked in this revision.
    async fn summary_then(&self, parking: &Parking) -> Result<Summary, Refusal> {
        let mut summary = parking.message.summary.clone();
        let steps = if parking.is_newest() { Vec::new() } else { self.steps_of(parking).await? };
        if let Some(parked) = steps.into_iter().map(|step| step.action).find(|action| action.what == What::Parked) {
            summary.parked_at = parked.at;
            summary.reason = parked.reason.map_or(summary.reason, |reason| Reason::of(&reason));
            summary.error = parked.error.unwrap_or_default();
        }
        Ok(summary)
    }

    /// The schemas of a command's data, and what they have against it. Where the tenant's cannot be read, the message can be
    /// seen and discarded all the same.
    async fn judged(&self, parked: &ParkedMessage, data: &str) -> (Option<RepairSchemas<'_>>, Vec<Complaint>) {
        match self.repair_schemas(parked).await {
            Ok(None) => (None, Vec::new()),
            Ok(Some(schemas)) => {
                let against = complaints(schemas.check(data));
                (Some(schemas), against)
            }
            Err(error) => {
                tracing::error!(error = chain(&error), "the tenant's schemas cannot be read");
                (None, complaints(Err(registry_problem(&error, "what the tenant has registered"))))
            }
        }
    }

    /// The schemas that a command's data must keep to; `None` for what cannot be repaired.
    pub(crate) async fn repair_schemas(&self, parked: &ParkedMessage) -> Result<Option<RepairSchemas<'_>>, StoreError> {
        let Some(command) = resubmission::command(parked) else { return Ok(None) };
        let Some(bundled) = self.bundled_schema(parked, &command) else { return Ok(None) };
        let tenant = &command.stream.tenant;
        let command_type = command.event.ty();
        let own = self.registry.schemas(tenant, command_type).await?;
        let own = TenantSchemas::compile(tenant, &own);
        Ok(Some(RepairSchemas { bundled, own, command_type: command_type.to_owned() }))
    }

    fn bundled_schema(&self, parked: &ParkedMessage, command: &Command) -> Option<&Schema> {
        let named = named_version(&command.event).filter(|named| named.context == parked.summary.queue)?;
        catalog::context(named.context)?.command(named.name)?;
        self.bundled.of_command(named.name, Some(named.version)).map(|(_, schema)| schema)
    }
}

/// What a repaired command's data is checked by: the schema of its version, and all that its tenant has registered for its
/// type. Which of those its sender named, no command says once it is accepted.
pub(crate) struct RepairSchemas<'a> {
    bundled: &'a Schema,
    own: TenantSchemas,
    command_type: String,
}

impl RepairSchemas<'_> {
    /// Whether the schema of the command's version takes the data, which is all that the command handler asks.
    fn bundled_accepts(&self, data: &str) -> bool {
        command_data(data).is_ok_and(|data| self.bundled.check(&data, &mut Budget::for_request()).is_ok())
    }

    pub fn check(&self, data: &str) -> Result<(), Problem> {
        let data = command_data(data)?;
        let mut budget = Budget::for_request();
        self.bundled.check(&data, &mut budget)?;
        self.own.check_by_all(&self.command_type, &data, &mut budget)
    }
}

/// What a sealed event's `dataschema` names, if that is a schema of its own type.
fn named_version(event: &CloudEvent) -> Option<SchemaUri<'_>> {
    SchemaUri::read(event.dataschema()?).filter(|schema| schema.name == event.ty())
}
