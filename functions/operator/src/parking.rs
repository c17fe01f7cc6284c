//! Ids of parked messages. One names a single parking: a message that was resubmitted and is parked again has another
//! one, so that nobody acts on what they have not seen.

use std::borrow::Cow;
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use kernel::ids::TenantId;
use kernel::timestamp::Timestamp;
use lambda::caller::Operator;
use lambda::refusal::Refusal;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use store::parked::{ParkedMessage, Stage, Step, Summary, What, steps};

use crate::Desk;
use crate::refusal::{conflict, nothing_here};

/// Where a message is parked, and how often it had been resubmitted before. As text it promises nothing about what is
/// in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParkingId {
    pub tenant: Option<TenantId>,
    pub queue: String,
    /// Of the record: a time, and what is unique.
    pub id: String,
    pub revision: u32,
}

/// Bytes of a queue's name, and of what is unique in an id, which is a command's key or a message's id. With more, they
/// might make a key that DynamoDB refuses, which would read as an outage.
const LONGEST_PART: usize = 128;

impl ParkingId {
    pub fn of(summary: &Summary) -> Self {
        Self {
            tenant: summary.tenant.clone(),
            queue: summary.queue.clone(),
            id: summary.id.clone(),
            revision: summary.revision,
        }
    }

    /// Reads exactly what was given out, and whatever else is of the same form.
    pub fn read(text: &str) -> Option<Self> {
        let decoded = String::from_utf8(BASE64.decode(text).ok()?).ok()?;
        let (revision, place) = decoded.split_once('#')?;
        let (tenant, place) = place.split_once('#')?;
        let (queue, id) = place.split_once('#')?;
        let (time, unique) = id.split_once('#')?;
        let named = |byte: u8| byte.is_ascii_lowercase() || byte == b'_';
        let well_formed = !queue.is_empty()
            && queue.len() <= LONGEST_PART
            && queue.bytes().all(named)
            && Timestamp::is_written(time)
            && !unique.is_empty()
            && unique.len() <= LONGEST_PART
            && unique.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#');
        let read = Self {
            tenant: if tenant.is_empty() { None } else { Some(TenantId::parse(tenant).ok()?) },
            queue: queue.to_owned(),
            id: id.to_owned(),
            revision: revision.parse().ok()?,
        };
        (well_formed && read.to_string() == text).then_some(read)
    }

    fn parked_key(&self) -> String {
        ParkedMessage::key(self.tenant.as_ref(), &self.queue)
    }

    /// The parking of the same message in its next revision.
    #[must_use]
    pub fn next(&self) -> Self {
        Self { revision: self.revision.saturating_add(1), ..self.clone() }
    }

    /// The key of its operation's record, if it may be a command's: then what is unique is the command's key.
    pub fn operation_key(&self) -> Option<String> {
        let (_, unique) = self.id.split_once('#')?;
        let is_command_key = unique.len() == 32 && unique.bytes().all(|byte| byte.is_ascii_hexdigit());
        self.tenant.as_ref().filter(|_| is_command_key).map(|tenant| format!("{tenant}#{unique}"))
    }

    /// Its place among all that wait in its queue.
    pub fn place(&self) -> String {
        format!("{}#{}", self.tenant.as_ref().map_or("", TenantId::as_str), self.id)
    }
}

impl JsonSchema for ParkingId {
    fn schema_name() -> Cow<'static, str> {
        "ParkedId".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let description = "Opaque. It names one parking.";
        json_schema!({ "description": description, "type": "string", "pattern": "^[A-Za-z0-9_-]+$" })
    }
}

impl fmt::Display for ParkingId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&BASE64.encode(format!("{}#{}#{}", self.revision, self.parked_key(), self.id)))
    }
}

/// A message as it was parked under an id.
#[derive(Debug)]
pub(crate) struct Parking {
    pub id: ParkingId,
    pub message: ParkedMessage,
}

impl Desk {
    /// The parking of this id, whatever became of it; nothing where the operator may not see it.
    pub(crate) async fn parking(&self, operator: &Operator, id: &str) -> Result<Parking, Refusal> {
        let id = ParkingId::read(id).filter(|id| operator.may_see(id.tenant.as_ref())).ok_or_else(nothing_here)?;
        let message = self.parked.find(&id.parked_key(), &id.id).await?.ok_or_else(nothing_here)?;
        let parking = Parking { id, message };
        if parking.is_yet_to_come() { Err(nothing_here().into()) } else { Ok(parking) }
    }

    /// The same, if it waits for an operator.
    pub(crate) async fn waiting(&self, operator: &Operator, id: &str) -> Result<Parking, Refusal> {
        let parking = self.parking(operator, id).await?;
        match parking.stage() {
            Stage::Waiting => Ok(parking),
            Stage::Resubmitted | Stage::Discarded | Stage::Reported => {
                let steps = self.steps_of(&parking).await?;
                let end = steps.into_iter().map(|step| step.action).find(|action| action.what != What::Parked);
                Err(conflict(end.as_ref()).into())
            }
        }
    }

    /// The steps of this revision: its parking and the decision that followed, as far as they are known.
    pub(crate) async fn steps_of(&self, parking: &Parking) -> Result<Vec<Step>, Refusal> {
        let Parking { id, message } = parking;
        let ParkedMessage { summary, history, .. } = message;
        // A decision is moved with the parking that follows it.
        let past = self.parked.past(summary, Some(id.revision.saturating_add(2)), 2).await?;
        let lately = steps(summary.revision, history.clone());
        let all = past.steps.into_iter().chain(lately);
        Ok(all.filter(|step| step.revision == id.revision).collect())
    }
}

impl Parking {
    /// The metrics count the message under this name.
    pub fn context(&self) -> String {
        let summary = &self.message.summary;
        summary.context.as_ref().unwrap_or(&summary.queue).clone()
    }

    /// A message is in its next revision while it is under way, and parked in that only if it fails again.
    fn is_yet_to_come(&self) -> bool {
        let ParkedMessage { summary, stage, .. } = &self.message;
        self.id.revision > summary.revision || (self.is_latest() && *stage == Stage::Resubmitted)
    }

    /// Whether the message was never parked again since. Then its own item tells of this parking.
    pub fn is_newest(&self) -> bool {
        let ParkedMessage { summary, stage, .. } = &self.message;
        let parked_in = summary.revision.saturating_sub(u32::from(*stage == Stage::Resubmitted));
        self.id.revision == parked_in
    }

    fn is_latest(&self) -> bool {
        self.id.revision == self.message.summary.revision
    }

    pub fn stage(&self) -> Stage {
        if self.is_latest() { self.message.stage } else { Stage::Resubmitted }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id() -> ParkingId {
        ParkingId {
            tenant: TenantId::parse("demo").ok(),
            queue: "orders".to_owned(),
            id: "2026-01-15T09:30:00.123Z#4bf92f35".to_owned(),
            revision: 3,
        }
    }

    #[test]
    fn an_id_reads_back_as_what_it_was_made_of() {
        let without_tenant = ParkingId { tenant: None, queue: "read_model_updater".to_owned(), ..id() };
        for id in [id(), without_tenant] {
            let text = id.to_string();
            assert!(text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_'), "{text}");
            assert_eq!(ParkingId::read(&text), Some(id));
        }
    }

    #[test]
    fn a_commands_key_is_of_thirty_two_hexadecimal_digits() {
        let key = |unique: &str| ParkingId { id: format!("2026-01-15T09:30:00.123Z#{unique}"), ..id() }.operation_key();
        let command = "4bf92f3577b34da6a3ce929d0e0e4736";
        assert_eq!(key(command), Some(format!("demo#{command}")));
        for message in ["4bf92f35", &command.replace('f', "g"), "4bf92f35-77b3-4da6-a3ce-929d0e0e4736"] {
            assert_eq!(key(message), None, "{message}");
        }
    }

    #[test]
    fn what_was_never_given_out_is_no_id() {
        let given = id().to_string();
        for text in ["", "resubmit", &given[1..], &given[..given.len() - 1], &format!("{given}="), &format!("{given}A")]
        {
            assert_eq!(ParkingId::read(text), None, "{text}");
        }
        for inside in [
            "",
            "####",
            "3#demo#orders",
            "3#demo#orders#2026-01-15T09:30:00.123Z",
            "3#demo#orders#2026-01-15T09:30:00.123Z#",
            "3#demo#orders#2026-01-15T09:30:00.123Z#4bf92f35#r0",
            "3#demo#orders#yesterday#4bf92f35",
            "3#demo#orders#2026-01-15T10:30:00.123+01:00#4bf92f35",
            &format!("3#demo#orders#2026-01-15T09:30:00.{}Z#4bf92f35", "1".repeat(2000)),
            &format!("3#demo#orders#2026-01-15T09:30:00.123Z#{}", "f".repeat(2000)),
            &format!("3#demo#{}#2026-01-15T09:30:00.123Z#4bf92f35", "o".repeat(2000)),
            "3#demo##2026-01-15T09:30:00.123Z#4bf92f35",
            "3#De.mo#orders#2026-01-15T09:30:00.123Z#4bf92f35",
            "3#demo#ORDERS#2026-01-15T09:30:00.123Z#4bf92f35",
            "+3#demo#orders#2026-01-15T09:30:00.123Z#4bf92f35",
            "03#demo#orders#2026-01-15T09:30:00.123Z#4bf92f35",
            "-3#demo#orders#2026-01-15T09:30:00.123Z#4bf92f35",
            "3#demo#orders#2026-01-15T09:30:00.123Z#4bf9\u{0}f35",
            "3#demo#orders#2026-01-15T09:30:00.123Z#4bf9 f35",
        ] {
            assert_eq!(ParkingId::read(&BASE64.encode(inside)), None, "{inside}");
        }
    }
}
