//! What is done with a waiting message: operators resubmit or discard it, and the outcome of one that a pipeline of the tenant's
//! own had may be reported after all. Each is one transaction with its operation and with what was done before.

use aws_sdk_dynamodb::types::builders::UpdateBuilder;
use aws_sdk_dynamodb::types::{AttributeValue, Put, ReturnValuesOnConditionCheckFailure, TransactWriteItem, Update};
use kernel::command::Header;
use kernel::operation::Status;
use kernel::principal::Principal;
use kernel::problem::Problem;
use kernel::receipt::Receipt;
use kernel::timestamp::Timestamp;

use super::Parked;
use super::message::{Action, ParkedMessage, Stage, Summary, What, action};
use super::transaction::{ActError, transact};
use crate::error::StoreError;
use crate::item::{n, s};
use crate::operations::OperationRecord;

/// Who does something with a parked message, and why.
#[derive(Debug, Clone, Copy)]
pub struct OperatorAction<'a> {
    pub by: &'a str,
    pub reason: Option<&'a str>,
    pub at: Timestamp,
}

impl OperatorAction<'_> {
    fn action(self, what: What, repaired: bool) -> Action {
        let Self { by, reason, at } = self;
        Action { at, what, by: Some(by.to_owned()), reason: reason.map(str::to_owned), error: None, repaired }
    }
}

impl Parked {
    /// Takes a waiting message for resubmission: in its next revision, with `message` as its body. What it was before is
    /// kept. A command's operation is open again, for that revision alone. Gives the message as it is now; it is not
    /// sent yet, and [`sent`](Self::sent) is to say when it is.
    pub async fn resubmit(
        &self,
        parked: &ParkedMessage,
        message: String,
        repaired: bool,
        decision: OperatorAction<'_>,
    ) -> Result<ParkedMessage, ActError> {
        let Summary { queue, revision, .. } = &parked.summary;
        let at = decision.at;
        let done = decision.action(What::Resubmitted, repaired);
        let update = self
            .if_waiting(&parked.summary)
            .update_expression(
                "SET stage = :stage, message = :message, revision = :next, attempts = :zero, \
                 unsent = :queue, unsent_since = :now, history = :done \
                 REMOVE waiting, waiting_place",
            )
            .expression_attribute_values(":stage", s("resubmitted"))
            .expression_attribute_values(":message", s(&message))
            .expression_attribute_values(":next", n(revision + 1))
            .expression_attribute_values(":zero", n(0))
            .expression_attribute_values(":queue", s(queue))
            .expression_attribute_values(":now", s(at))
            .expression_attribute_values(":done", AttributeValue::L(vec![action(&done)]));
        let mut actions = vec![update_action(update), self.move_history(parked)];
        if repaired {
            actions.push(self.keep_earlier(parked));
        }
        if let Some(operation) = self.if_parked(&parked.summary) {
            actions.push(update_action(reopened(operation, revision + 1, &message, at)));
        }
        transact(&self.client, actions).await?;
        let mut resubmitted = parked.clone();
        resubmitted.summary.revision += 1;
        resubmitted.summary.attempts = 0;
        resubmitted.message = message;
        resubmitted.stage = Stage::Resubmitted;
        resubmitted.history = vec![done];
        Ok(resubmitted)
    }

    /// The resubmitted message is in its queue.
    pub async fn sent(&self, resubmitted: &Summary) -> Result<(), StoreError> {
        let update = self
            .of(resubmitted)
            .update_expression("REMOVE unsent, unsent_since")
            .condition_expression("stage = :stage AND revision = :revision")
            .expression_attribute_values(":stage", s("resubmitted"))
            .expression_attribute_values(":revision", n(resubmitted.revision));
        match transact(&self.client, vec![update_action(update)]).await {
            // It failed again and was parked, or even resubmitted, meanwhile.
            Ok(()) | Err(ActError::Conflict(_)) => Ok(()),
            Err(ActError::Store(error)) => Err(error),
        }
    }

    /// Messages that were to be resubmitted to a queue before `before`, and are not known to be sent: oldest first, at
    /// most `limit`.
    pub async fn unsent(&self, queue: &str, before: Timestamp, limit: i32) -> Result<Vec<ParkedMessage>, StoreError> {
        let answer = self
            .client
            .query()
            .table_name(&self.table)
            .index_name("by_unsent")
            .key_condition_expression("unsent = :queue AND unsent_since < :before")
            .expression_attribute_values(":queue", s(queue))
            .expression_attribute_values(":before", s(before))
            .limit(limit)
            .send()
            .await
            .map_err(StoreError::unavailable("Query"))?;
        let mut unsent = Vec::new();
        for item in answer.items.unwrap_or_default() {
            let key = |name: &str| item.get(name).and_then(|value| value.as_s().ok()).cloned().unwrap_or_default();
            // The index may be behind the table.
            if let Some(found) = self.find(&key("parked_key"), &key("id")).await?
                && found.stage == Stage::Resubmitted
            {
                unsent.push(found);
            }
        }
        Ok(unsent)
    }

    /// Gives a waiting message up. Its operation ends as `discarded`, with the operator's reason for the client.
    /// `expires_at` (seconds since 1970) is when the operation's record may go; what was decided stays.
    pub async fn discard(
        &self,
        parked: &ParkedMessage,
        decision: OperatorAction<'_>,
        expires_at: u64,
    ) -> Result<(), ActError> {
        let at = decision.at;
        let problem = Problem::discarded(decision.reason.unwrap_or_default());
        let done = decision.action(What::Discarded, false);
        let mut actions = self.settled(parked, "discarded", &done).to_vec();
        if let Some(operation) = self.if_parked(&parked.summary) {
            actions.push(update_action(
                operation
                    .update_expression(
                        "SET outcome = :discarded, problem = :problem, recorded_at = :now, expires_at = :expires",
                    )
                    .expression_attribute_values(":discarded", s(Status::Discarded.as_str()))
                    .expression_attribute_values(":problem", s(problem.to_json()))
                    .expression_attribute_values(":now", s(at))
                    .expression_attribute_values(":expires", n(expires_at)),
            ));
        }
        transact(&self.client, actions).await
    }

    /// Writes the outcome of a command that waits because it was not reported in time: the message waits no more.
    pub async fn report(
        &self,
        parked: &ParkedMessage,
        record: &OperationRecord,
        by: &Principal,
    ) -> Result<(), ActError> {
        let by = by.to_string();
        let decision = OperatorAction { by: &by, reason: Some(record.outcome.as_str()), at: record.recorded_at };
        let done = decision.action(What::Reported, false);
        let put = Put::builder()
            .table_name(&self.operations)
            .set_item(Some(serde_dynamo::to_item(record).expect("a record has string keys and plain values")))
            .condition_expression("outcome = :parked AND digest = :digest AND revision = :revision")
            .expression_attribute_values(":parked", s(Status::Parked.as_str()))
            .expression_attribute_values(":digest", s(&record.digest))
            .expression_attribute_values(":revision", n(record.revision))
            .build()
            .expect("all that is required is there");
        let mut actions = self.settled(parked, "reported", &done).to_vec();
        actions.push(TransactWriteItem::builder().put(put).build());
        transact(&self.client, actions).await
    }

    /// That a message waits no more, and what was done with it last.
    fn settled(&self, parked: &ParkedMessage, stage: &str, done: &Action) -> [TransactWriteItem; 2] {
        let update = self
            .if_waiting(&parked.summary)
            .update_expression("SET stage = :stage, history = :done REMOVE waiting, waiting_place")
            .expression_attribute_values(":stage", s(stage))
            .expression_attribute_values(":done", AttributeValue::L(vec![action(done)]));
        [update_action(update), self.move_history(parked)]
    }

    fn of(&self, message: &Summary) -> UpdateBuilder {
        Update::builder()
            .table_name(&self.table)
            .key("parked_key", s(&message.parked_key))
            .key("id", s(&message.id))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
    }

    /// An update of a message that waits, in the revision that the operator saw.
    fn if_waiting(&self, message: &Summary) -> UpdateBuilder {
        self.of(message)
            .condition_expression("stage = :waiting AND revision = :revision")
            .expression_attribute_values(":waiting", s("waiting"))
            .expression_attribute_values(":revision", n(message.revision))
    }

    /// An update of the operation behind a message, if there is one: it must be parked in the same revision.
    fn if_parked(&self, message: &Summary) -> Option<UpdateBuilder> {
        let receipt = Receipt::read(message.operation.as_deref()?)?;
        let key = OperationRecord::key(message.tenant.as_ref()?, receipt.command_key);
        let update = Update::builder()
            .table_name(&self.operations)
            .key("operation_key", s(key))
            .condition_expression("outcome = :parked AND revision = :revision")
            .expression_attribute_values(":parked", s(Status::Parked.as_str()))
            .expression_attribute_values(":revision", n(message.revision));
        Some(update)
    }
}

/// An update of a command's operation: it is retried in this revision, whose message this is.
fn reopened(operation: UpdateBuilder, revision: u32, message: &str, at: Timestamp) -> UpdateBuilder {
    let problem = Problem::retrying("an operator has resubmitted it");
    let reopened = operation
        .expression_attribute_values(":retrying", s(Status::Retrying.as_str()))
        .expression_attribute_values(":next", n(revision))
        .expression_attribute_values(":problem", s(problem.to_json()))
        .expression_attribute_values(":now", s(at));
    let set = "SET outcome = :retrying, revision = :next, problem = :problem, recorded_at = :now";
    match Header::read(message).and_then(|header| header.repaired_by) {
        Some(operator) => reopened
            .update_expression(format!("{set}, repaired_by = :operator REMOVE attempt"))
            .expression_attribute_values(":operator", attribute(&operator)),
        None => reopened.update_expression(format!("{set} REMOVE attempt")),
    }
}

fn attribute(operator: &Principal) -> AttributeValue {
    serde_dynamo::to_attribute_value(operator).expect("a principal has string keys and plain values")
}

fn update_action(update: UpdateBuilder) -> TransactWriteItem {
    TransactWriteItem::builder().update(update.build().expect("all that is required is there")).build()
}
