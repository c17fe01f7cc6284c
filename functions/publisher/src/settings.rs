//! The publisher's settings, from environment variables.

use lambda::settings::{BadSetting, Environment};
use messaging::{EventTopic, SnsClient};

use crate::Publisher;

/// ARN of the topic that events are published to.
const EVENT_TOPIC: &str = "EVENT_TOPIC";
/// The API's own address, as clients reach it.
const PUBLIC_URL: &str = "PUBLIC_URL";

impl Publisher {
    pub fn from_environment(environment: &Environment, sns: SnsClient) -> Result<Self, BadSetting> {
        Ok(Self {
            topic: EventTopic::new(sns, environment.text(EVENT_TOPIC)?),
            public_url: environment.text(PUBLIC_URL)?.trim_end_matches('/').to_owned(),
        })
    }
}
