//! Parking what has used up its attempts.

use kernel::cloud_event::CloudEvent;
use kernel::command::Header;
use kernel::domain_event::RecordedEvent;
use kernel::ids::StreamId;
use kernel::operation::Status;
use kernel::parking::Reason;
use kernel::problem::Problem;
use kernel::timestamp::Timestamp;
use serde::Deserialize;
use store::StoreError;
use store::operations::OperationRecord;
use store::parked::{ParkedMessage, Parking, Summary};

use crate::triage::{Letter, State};
use crate::{Redrive, Route};

/// Where a message is about, as far as it can be read.
#[derive(Default)]
struct About {
    stream: Option<StreamId>,
    message_type: Option<String>,
}

impl Redrive {
    /// Parks a dead letter. Says whether it is parked now; if not, it had its outcome already.
    pub(crate) async fn park(&self, route: &Route, letter: &Letter, now: Timestamp) -> Result<bool, StoreError> {
        let reason = if letter.state == State::TooOld { Reason::TooOld } else { Reason::AttemptsUsedUp };
        let header = route.context.and_then(|_| Header::read(&letter.dead.body));
        let message =
            ParkedMessage::new(summary(route, letter, header.as_ref(), reason.clone(), now), letter.dead.body.clone());
        let Some(header) = header else {
            self.parked.park(&message).await?;
            tracing::error!(queue = route.name, message_id = letter.dead.message_id, %reason, "parked");
            return Ok(true);
        };
        let detail = format!("it failed again and again ({reason}) and waits for an operator");
        let record = OperationRecord {
            outcome: Status::Parked,
            problem: Some(Problem::parked(detail).to_json()),
            ..OperationRecord::headed(header.clone(), &route.name, now)
        };
        let mut parking = self.parked.park_command(&message, &record).await?;
        if parking == Parking::Settled {
            // A repeat, which its record has to outlast. If the record has just expired, the command is none any more.
            let until = now.plus(self.retention).seconds();
            if !self.operations.keep(&record.operation_key, until).await? {
                parking = self.parked.park_command(&message, &record).await?;
            }
        }
        if parking == Parking::Parked {
            tracing::error!(
                operation = %header.receipt,
                command_key = %header.receipt.command_key,
                tenant = %header.tenant,
                context = route.name,
                stream = header.stream(&route.name).map(|stream| stream.pseudonym()),
                %reason,
                "parked"
            );
        }
        Ok(parking == Parking::Parked)
    }
}

/// What is known of a dead letter, if it is parked now. `header` is a command's.
pub(crate) fn summary(
    route: &Route,
    letter: &Letter,
    header: Option<&Header>,
    reason: Reason,
    now: Timestamp,
) -> Summary {
    let Letter { dead, attempts, .. } = letter;
    let (id, about) = match header {
        Some(header) => (
            ParkedMessage::id(header.receipt.accepted_at, header.receipt.command_key),
            About { stream: header.stream(&route.name), message_type: Some(header.ty.clone()) },
        ),
        None => (ParkedMessage::id(dead.sent_at, &dead.message_id), About::of(&dead.body)),
    };
    let own_context = route.context.map(|context| context.name);
    let tenant = header.map(|header| &header.tenant).or(about.stream.as_ref().map(|stream| &stream.tenant)).cloned();
    let error = dead.failure.error.clone().unwrap_or_else(|| {
        "no reason is known: the function that handled it ended without an answer; its log may tell".to_owned()
    });
    Summary {
        parked_key: ParkedMessage::key(tenant.as_ref(), &route.name),
        id,
        queue: route.name.clone(),
        tenant,
        context: about.stream.as_ref().map(|stream| stream.context.as_str()).or(own_context).map(str::to_owned),
        message_type: about.message_type,
        subject: about.stream.as_ref().map(|stream| stream.aggregate.to_string()),
        operation: header.map(|header| header.receipt.to_string()),
        reason,
        error,
        revision: header.map_or(0, |header| header.revision),
        attempts: *attempts,
        first_failed_at: dead.failure.first_failed_at.unwrap_or(dead.sent_at),
        first_parked_at: now,
        parked_at: now,
    }
}

impl About {
    /// Of what is no command: a domain event, or the place of a commit.
    fn of(body: &str) -> Self {
        /// What the publisher's queue holds.
        #[derive(Deserialize)]
        struct Commit {
            stream_id: String,
        }
        let event = CloudEvent::from_json(body.as_bytes()).ok();
        if let Some(event) = event.as_ref().and_then(RecordedEvent::from_cloud_event) {
            return Self { stream: Some(event.stream), message_type: Some(event.event.ty) };
        }
        let commit = serde_json::from_str::<Commit>(body).ok();
        let stream = commit.and_then(|commit| StreamId::parse(&commit.stream_id).ok());
        Self { stream, message_type: event.map(|event| event.ty().to_owned()) }
    }
}
