//! The redrive's settings, from environment variables.

use std::time::Duration;

use lambda::caller::Operators;
use lambda::settings::{BadSetting, Environment};
use messaging::{DeadLetters, SqsClient};
use store::operations::Operations;
use store::parked::Parked;
use store::registry::Registry;

use crate::{BackOff, Pace, Redrive, Route};

/// Queues by name; each has its dead letters under the same name.
const QUEUE: &str = "QUEUE_";
const DEAD_LETTERS: &str = "DEAD_LETTERS_";

impl Redrive {
    pub fn from_environment(
        environment: &Environment,
        dynamodb: store::Client,
        sqs: SqsClient,
    ) -> Result<Self, BadSetting> {
        let mut routes = Vec::new();
        for (name, queue_url) in environment.with_prefix(QUEUE) {
            let dead_letters = environment.text(&format!("{DEAD_LETTERS}{name}"))?;
            let dead_letters = DeadLetters::new(sqs.clone(), dead_letters);
            routes.push(Route { context: catalog::context(&name), name, queue_url, dead_letters });
        }
        routes.sort_by(|one, other| one.name.cmp(&other.name));
        let operations = environment.text("OPERATIONS_TABLE")?;
        let registry = Registry::new(dynamodb.clone(), environment.text("REGISTRY_TABLE")?);
        let seconds = |name| environment.parsed(name).map(Duration::from_secs);
        Ok(Self {
            routes,
            sqs,
            parked: Parked::new(dynamodb.clone(), environment.text("PARKED_TABLE")?, &operations),
            operations: Operations::new(dynamodb, operations),
            operators: Operators::new(registry, environment.optional("TENANT_CLAIM").unwrap_or("custom:tenant")),
            retention: environment.retention()?,
            pace: Pace {
                most_attempts: environment.parsed("MOST_ATTEMPTS")?,
                back_off: BackOff {
                    first: seconds("FIRST_BACK_OFF_SECONDS")?,
                    longest: seconds("LONGEST_BACK_OFF_SECONDS")?,
                },
                rate: environment.parsed("RATE")?,
            },
        })
    }
}
