//! Parked messages that nobody moves.

use store::StoreError;
use store::findings::{Found, Kind, Place};
use store::jobs::Segment;
use store::parked::{Scanned, Stage};
use walk::counting::Counting as _;

use crate::Verifier;
use crate::patience::Patience;
use crate::verify::Scope;

impl Verifier {
    /// A page of the table of parked messages.
    pub(crate) async fn parked(
        &self,
        scope: Scope<'_>,
        patience: Patience,
        which: (u32, u32),
        segment: &mut Segment,
        most: i32,
    ) -> Result<(Vec<Found>, usize), StoreError> {
        let (messages, last) = self.parked.scan(which, &segment.last_key, most).await?;
        let items = messages.len();
        let mut judged = Vec::new();
        for message in messages {
            match message {
                Ok(message) if scope.has_tenant(message.summary.tenant.as_ref()) => {
                    let key = (message.summary.parked_key.clone(), message.summary.id.clone());
                    judged.push((key, judge(&message, patience).into_iter().collect()));
                }
                Ok(_) => {}
                Err(error) => segment.failed("a parked message", &lambda::telemetry::chain(&error)),
            }
        }
        segment.add("parked", judged.len() as u64);
        let again = |(key, id): (String, String)| async move {
            Ok(self.parked_message(&key, &id, patience).await?.into_iter().collect())
        };
        let found = self.twice(judged, again).await?;
        segment.last_key = last;
        Ok((found, items))
    }

    /// One message as it is now.
    pub(crate) async fn parked_message(
        &self,
        key: &str,
        id: &str,
        patience: Patience,
    ) -> Result<Option<Found>, StoreError> {
        let message = self.parked.look_at(key, id).await?;
        Ok(message.and_then(|message| judge(&message, patience)))
    }
}

fn judge(message: &Scanned, patience: Patience) -> Option<Found> {
    let summary = &message.summary;
    let (kind, expected, actual) = match (message.stage, message.unsent_since) {
        (Stage::Waiting, _) if patience.is_forgotten(summary.parked_at) => {
            (Kind::ParkedForgotten, "a person's decision", format!("it waits since {}", summary.parked_at))
        }
        (Stage::Resubmitted, Some(since)) if patience.is_delivered(since) => {
            (Kind::ResubmissionUnsent, "sent to its queue", format!("unsent since {since}"))
        }
        _ => return None,
    };
    let key = (summary.parked_key.clone(), summary.id.clone());
    Some(Found {
        kind,
        about: format!("{} {}", key.0, key.1),
        tenant: summary.tenant.clone(),
        stream: None,
        place: Place {
            parked: Some(key),
            receipt: summary.operation.clone(),
            command_type: summary.message_type.clone(),
            ..Place::default()
        },
        expected: expected.to_owned(),
        actual,
    })
}
