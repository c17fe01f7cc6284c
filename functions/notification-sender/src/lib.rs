//! The notification sender: the mails of patients' onboardings, by Amazon SES.
//!
//! An event asks for a mail and says no address. The sender reads the patient's stream, where the enrolment has it, and
//! hands in what became of the mail as a command.
//!
//! **At least once.** SES knows no repeat, so a mail may come twice: if the answer of SES is lost, or if the event comes again
//! before the stream says that its mail was sent. Otherwise the stream is what is remembered of mails, and no mail is sent
//! that something newer has overtaken.

pub mod patient;
mod settings;
mod text;

use kernel::domain_event::RecordedEvent;
use kernel::message::DecodeError;
use messaging::mail::{MailError, Mailer};
use serde::{Deserialize, Serialize};
use store::StoreError;
use store::event_store::Streams;
use subscriber::{HandInError, Outcomes, Subscriber};

use crate::patient::{Kind, Patient, Request, Step};

/// The principal of what is handed in.
const NAME: &str = "notification-sender";

/// Sends the mails that events of patients ask for.
pub struct NotificationSender {
    pub streams: Streams,
    pub mailer: Mailer,
    pub outcomes: Outcomes,
}

kernel::messages! {
    /// What is handed in, as the context publishes it.
    pub enum Command { RecordNotification(RecordNotification) = 1 }
}

/// What became of a mail.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordNotification {
    pub step: Step,
    /// The version of the event that asked for the mail.
    pub request: u64,
    pub delivered: bool,
}

/// Why an event comes again.
#[derive(Debug, thiserror::Error)]
pub enum NotifyError {
    #[error("an event of the patient cannot be read")]
    Unreadable(#[from] DecodeError),
    #[error("the patient's events were not read")]
    Store(#[from] StoreError),
    #[error("the mail was not sent")]
    Mail(#[from] MailError),
    #[error("what became of the mail was not handed in")]
    HandIn(#[from] HandInError),
}

impl Subscriber for NotificationSender {
    type Error = NotifyError;

    async fn handle(&self, event: &RecordedEvent) -> Result<(), NotifyError> {
        let Some(request) = Request::read(event)? else { return Ok(()) };
        let patient = Patient::read(&self.streams.after(&event.stream, 0).await?)?;
        let Some(enrolled) = patient.enrolled.as_ref().filter(|_| patient.is_open(event.version)) else {
            tracing::info!("overtaken, or sent before");
            return Ok(());
        };
        let mail = text::mail(request, &event.stream.aggregate, enrolled);
        let delivered = match (self.mailer.send(mail).await, request.kind) {
            (Ok(()), _) => true,
            (Err(MailError::Undeliverable), Kind::Asking | Kind::Reminding) => false,
            // Also a practice whose address takes no mail: an operator has to look at that.
            (Err(error), _) => return Err(error.into()),
        };
        let notification = RecordNotification { step: request.step, request: event.version, delivered };
        Ok(self.outcomes.hand_in(event, NAME, Command::from(notification)).await?)
    }
}
