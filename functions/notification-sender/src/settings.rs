//! The notification sender's settings, from environment variables.

use lambda::settings::{BadSetting, Environment};
use messaging::mail::Mailer;
use messaging::{SesClient, SqsClient};
use store::event_store::Streams;
use subscriber::Outcomes;

use crate::NotificationSender;

impl NotificationSender {
    /// `MAIL_FROM` is the address that recipients see.
    pub fn from_environment(
        environment: &Environment,
        dynamodb: store::Client,
        ses: SesClient,
        sqs: SqsClient,
    ) -> Result<Self, BadSetting> {
        Ok(Self {
            streams: Streams::new(dynamodb, &environment.text("EVENTS_TABLE")?),
            mailer: Mailer::new(ses, environment.text("MAIL_FROM")?),
            outcomes: Outcomes::from_environment(environment, sqs)?,
        })
    }
}
