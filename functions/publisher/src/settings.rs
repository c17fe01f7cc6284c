//! The publisher's settings, from environment variables.

use lambda::settings::{BadSetting, Environment};
use messaging::{EventTopic, Queues, SnsClient, SqsClient, SystemCommands};
use recovery::batch::GivingBack;
use store::event_store::Streams;
use store::stream_positions::{self, StreamPositions};
use timers::Timers;

use crate::{Effects, Publisher, Retries};

/// ARN of the topic that events are published to.
const EVENT_TOPIC: &str = "EVENT_TOPIC";
/// The table that keeps the commits.
const EVENTS_TABLE: &str = "EVENTS_TABLE";

/// The clients that a publisher uses.
pub struct Clients {
    pub sns: SnsClient,
    pub sqs: SqsClient,
    pub dynamodb: store::Client,
    pub streams: stream_positions::Client,
}

impl Publisher {
    pub fn from_environment(environment: &Environment, clients: Clients) -> Result<Self, BadSetting> {
        let queues = Queues::new(environment.text(Queues::VARIABLE)?);
        let public_url = environment.public_url()?;
        Ok(Self {
            effects: Effects {
                commands: SystemCommands::new(clients.sqs.clone(), queues, public_url.clone()),
                timers: Timers::from_environment(environment, clients.dynamodb.clone(), clients.sqs.clone())?,
            },
            topic: EventTopic::new(clients.sns, environment.text(EVENT_TOPIC)?),
            public_url,
            retries: Retries {
                commits: Streams::new(clients.dynamodb, &environment.text(EVENTS_TABLE)?),
                positions: StreamPositions::new(clients.streams),
                giving_back: GivingBack::from_environment(environment, clients.sqs)?,
            },
        })
    }
}
