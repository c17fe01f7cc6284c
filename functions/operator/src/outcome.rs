//! What became of messages that operators acted on. Their operations tell: one batched look-up for a hundred.

use std::collections::BTreeMap;

use kernel::operation::Status;
use kernel::problem::Problem;
use kernel::timestamp::Timestamp;
use lambda::caller::Operator;
use lambda::http::json;
use lambda::refusal::Answer;
use lambda::request::object;
use lambda_http::Request;
use lambda_http::http::StatusCode;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use store::StoreError;
use store::operations::OperationRecord;
use store::parked::Stage;

use crate::parking::{Parking, ParkingId};
use crate::refusal::nothing_here;
use crate::{Desk, body};

/// What became of one parking.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(rename = "ParkedOutcome", deny_unknown_fields)]
pub(crate) struct Outcome {
    pub status: Became,
    /// The parking that it came back as.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<ParkingId>")]
    parked: Option<String>,
    /// Since when that is so.
    #[serde(skip_serializing_if = "Option::is_none")]
    at: Option<Timestamp>,
    /// Why it was rejected, discarded or set aside, or is being tried again.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<Problem>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(inline)]
pub(crate) enum Became {
    /// Nobody has acted on it.
    Waiting,
    /// Resubmitted, and without an outcome yet.
    OnItsWay,
    /// Carried out: resubmitted, or reported after all.
    Succeeded,
    /// Refused by the business: resubmitted, or reported after all.
    Rejected,
    /// Resubmitted, and set aside again under the id `parked`.
    ParkedAgain,
    /// Given up.
    Discarded,
    /// Nothing tells: it is no command, or its operation is not on record any more.
    Unknown,
}

impl Outcome {
    /// By its operation's record.
    pub fn of(id: &ParkingId, record: Option<&OperationRecord>) -> Self {
        let Some(record) = record else {
            return Self { status: Became::Unknown, parked: None, at: None, error: None };
        };
        let next = id.next();
        let status = match (record.revision, record.outcome) {
            (revision, Status::Parked) if revision == id.revision => Became::Waiting,
            (revision, Status::Discarded) if revision == id.revision => Became::Discarded,
            // Reported after all, without being resubmitted.
            (revision, Status::Succeeded) if revision == id.revision => Became::Succeeded,
            (revision, Status::Rejected) if revision == id.revision => Became::Rejected,
            (revision, _) if revision <= id.revision => Became::Unknown,
            (revision, _) if revision > next.revision => Became::ParkedAgain,
            (_, Status::Parked | Status::Discarded) => Became::ParkedAgain,
            (_, Status::Accepted | Status::Retrying) => Became::OnItsWay,
            (_, Status::Succeeded) => Became::Succeeded,
            (_, Status::Rejected) => Became::Rejected,
        };
        // The record is that of the newest revision, and says nothing of how an earlier one came back.
        let told = status != Became::ParkedAgain && status != Became::Unknown;
        Self {
            status,
            parked: (status == Became::ParkedAgain).then(|| next.to_string()),
            at: told.then_some(record.recorded_at),
            error: record.problem.as_deref().filter(|_| told).and_then(|problem| serde_json::from_str(problem).ok()),
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    ids: Vec<String>,
}

/// Of one of those that were asked for.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "ParkedOutcomeResult", deny_unknown_fields)]
struct Told {
    id: String,
    /// 200; else that of the problem.
    status: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    outcome: Option<Outcome>,
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<Problem>,
}

/// What became of those that were asked for, in their order.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "ParkedOutcomes", deny_unknown_fields)]
pub(crate) struct Outcomes {
    results: Vec<Told>,
    /// How many there are of each outcome.
    #[schemars(with = "BTreeMap<String, usize>")]
    counts: BTreeMap<Became, usize>,
}

impl Desk {
    /// `POST /parked/outcomes`: in the order of the ids.
    pub(crate) async fn outcomes(&self, operator: &Operator, request: &Request) -> Answer {
        let Asked { ids } = object(request)?;
        body::check_ids(&ids)?;
        let read = |id: &String| ParkingId::read(id).filter(|id| operator.may_see(id.tenant.as_ref()));
        let parkings: Vec<Option<ParkingId>> = ids.iter().map(read).collect();
        let keys = parkings.iter().flatten().filter_map(ParkingId::operation_key);
        let records = self.operations.find_all(keys).await?;
        let mut counts = BTreeMap::new();
        let mut tell = |(id, parking): (String, Option<ParkingId>)| {
            let Some(parking) = parking else {
                let problem = nothing_here();
                return Told { id, status: problem.status, outcome: None, problem: Some(problem) };
            };
            let record = parking.operation_key().and_then(|key| records.get(&key));
            let outcome = Outcome::of(&parking, record);
            *counts.entry(outcome.status).or_default() += 1;
            Told { id, status: StatusCode::OK.as_u16(), outcome: Some(outcome), problem: None }
        };
        let results = ids.into_iter().zip(parkings).map(&mut tell).collect();
        Ok(json(StatusCode::OK, &Outcomes { results, counts }))
    }

    /// What became of this parking: as its operation tells, or else the message itself.
    pub(crate) async fn outcome(&self, parking: &Parking) -> Result<Outcome, StoreError> {
        let records = self.operations.find_all(parking.id.operation_key()).await?;
        let mut outcome = Outcome::of(&parking.id, records.values().next());
        if outcome.status == Became::Unknown {
            outcome.status = match parking.stage() {
                Stage::Waiting => Became::Waiting,
                Stage::Discarded => Became::Discarded,
                Stage::Reported => Became::Unknown,
                Stage::Resubmitted if parking.is_newest() => Became::Unknown,
                Stage::Resubmitted => Became::ParkedAgain,
            };
            outcome.parked = (outcome.status == Became::ParkedAgain).then(|| parking.id.next().to_string());
        }
        Ok(outcome)
    }
}
