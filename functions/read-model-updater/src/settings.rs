//! The read-model updater's settings, from environment variables.

use lambda::settings::{BadSetting, Environment};
use recovery::batch::GivingBack;
use store::event_store::Streams;
use store::read_models::ReadModels;

use crate::Updater;

impl Updater {
    pub fn from_environment(
        environment: &Environment,
        dynamodb: store::Client,
        sqs: messaging::SqsClient,
    ) -> Result<Self, BadSetting> {
        Ok(Self {
            streams: Streams::new(dynamodb.clone(), &environment.text("EVENTS_TABLE")?),
            read_models: ReadModels::new(dynamodb, environment.text("READ_MODELS_TABLE")?),
            giving_back: GivingBack::from_environment(environment, sqs)?,
        })
    }
}
