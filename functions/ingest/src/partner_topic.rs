//! A partner's SNS topic, by the queue that is subscribed to it. The queue's policy lets that one topic send, so a message
//! needs no proof of its own. The topic is a client without a token: the registry says whose it is, and a partner's entry
//! names it. What an event must be, and what follows from it, is as in [`events`](crate::events).

use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent};
use kernel::principal::{Principal, PrincipalKind};
use kernel::problem::Problem;
use kernel::timestamp::Timestamp;
use lambda::caller::UnknownCaller;
use lambda::refusal::Refusal;
use lambda::settings::{BadSetting, Environment, invalid};
use messaging::{Notification, SqsClient};
use recovery::batch::{GivingBack, Received, Why, attempt, failures};
use tokio::time::Instant;

use crate::Ingest;

/// The one topic that may send.
pub struct PartnerTopic {
    /// Its ARN is its client id.
    client: Principal,
    giving_back: GivingBack,
}

impl PartnerTopic {
    /// With `PARTNER_TOPIC`, the topic's ARN, and what [`GivingBack`] needs.
    pub(crate) fn from_environment(environment: &Environment, sqs: SqsClient) -> Result<Option<Self>, BadSetting> {
        const NAME: &str = "PARTNER_TOPIC";
        let Some(arn) = environment.optional(NAME) else { return Ok(None) };
        let client = Principal::new(arn, PrincipalKind::ServiceAccount);
        let client = client.map_err(|bad| invalid(NAME, format!("must have {}", bad.rule)))?;
        Ok(Some(Self { client, giving_back: GivingBack::from_environment(environment, sqs)? }))
    }
}

impl Ingest {
    /// Queues what follows from a batch of events. What is named in the answer goes back to their queue: what failed, and
    /// what is refused, for nobody waits for an answer.
    pub async fn hear(&self, batch: SqsEvent, now: Timestamp, finish_by: Instant) -> SqsBatchResponse {
        let messages = batch.records.into_iter().map(Received::of);
        let Some(topic) = &self.partner_topic else {
            tracing::error!("messages of a topic, and no topic may send");
            return failures(messages.map(|message| message.message_id));
        };
        let mut failed = Vec::new();
        for message in messages {
            let hearing = async { self.hear_one(&message, topic, now).await.map_err(why) };
            if let Err(error) = attempt(&message, finish_by, hearing).await {
                failed.push((message, error));
            }
        }
        topic.giving_back.answer(failed, now).await
    }

    #[tracing::instrument(name = "partner_event", skip_all, fields(tenant, principal = %topic.client, trace_id))]
    async fn hear_one(&self, message: &Received, topic: &PartnerTopic, now: Timestamp) -> Result<(), Refusal> {
        let Notification::Message(event) = Notification::of(&message.body) else {
            let detail = "SNS asks to confirm a subscription; confirm it with the message's Token, or subscribe the queue \
                          from the account that it is in";
            return Err(Problem::malformed_event(detail).into());
        };
        let caller = self.callers.of_client(topic.client.clone()).await.map_err(|unknown| match unknown {
            UnknownCaller::UnregisteredClient => {
                let detail = "the topic is registered with no tenant; enter client#TOPIC_ARN into the registry";
                Problem::not_permitted(detail).into()
            }
            unknown => Refusal::from(unknown),
        })?;
        let tenant = self.intake.tenant_of(&caller).await?;
        self.take_event(&event, &caller, &tenant, now).await
    }
}

/// The log gets the kind alone, for a detail may repeat what was sent.
fn why(refusal: Refusal) -> Why {
    let problem = refusal.into_problem();
    Why { logged: problem.ty.into_owned(), in_full: format!("{}: {}", problem.title, problem.detail) }
}
