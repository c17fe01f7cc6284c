//! The command handler's settings, from environment variables.

use lambda::settings::{BadSetting, Environment, invalid};
use recovery::batch::GivingBack;
use store::parked::Parked;
use store::{EventStore, Tables};

use crate::{CommandHandler, Deciding};

/// The context whose commands it handles.
const CONTEXT: &str = "CONTEXT";

impl CommandHandler {
    pub fn from_environment(
        environment: &Environment,
        dynamodb: store::Client,
        sqs: messaging::SqsClient,
    ) -> Result<Self, BadSetting> {
        let name = environment.text(CONTEXT)?;
        let context = catalog::context(&name)
            .ok_or_else(|| invalid(CONTEXT, format!("is {name}, which is not in this build's catalog")))?;
        let tables = Tables {
            events: environment.text("EVENTS_TABLE")?,
            operations: environment.text("OPERATIONS_TABLE")?,
            parked: environment.text("PARKED_TABLE")?,
            guards: environment.text("GUARDS_TABLE")?,
        };
        Ok(Self {
            context,
            parked: Parked::new(dynamodb.clone(), &tables.parked, &tables.operations),
            giving_back: GivingBack::from_environment(environment, sqs)?,
            events: EventStore::new(dynamodb, tables),
            retention: environment.retention()?,
            deciding: Deciding::default(),
        })
    }
}
