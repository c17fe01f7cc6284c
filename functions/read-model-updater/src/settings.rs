//! The read-model updater's settings, from environment variables.

use lambda::settings::{BadSetting, Environment};
use store::event_store::Streams;
use store::read_models::ReadModels;

use crate::Updater;

impl Updater {
    pub fn from_environment(environment: &Environment, dynamodb: store::Client) -> Result<Self, BadSetting> {
        Ok(Self {
            streams: Streams::new(dynamodb.clone(), &environment.text("EVENTS_TABLE")?),
            read_models: ReadModels::new(dynamodb, environment.text("TABLE")?),
            read_models_of: catalog::read_models_of,
        })
    }
}
