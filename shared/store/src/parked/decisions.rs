//! What operators decide: to resubmit a message, or to discard it. Each is one transaction with its operation.

use aws_sdk_dynamodb::types::builders::UpdateBuilder;
use aws_sdk_dynamodb::types::{AttributeValue, Put, ReturnValuesOnConditionCheckFailure, TransactWriteItem, Update};
use kernel::operation::Status;
use kernel::problem::Problem;
use kernel::receipt::Receipt;
use kernel::timestamp::Timestamp;

use super::Parked;
use super::message::{Action, ParkedMessage, Stage, Summary, What, action};
use super::transaction::{ActError, transact};
use crate::error::StoreError;
use crate::item::{Item, n, s};
use crate::operations::OperationRecord;

/// Who does something with a parked message, and why.
#[derive(Debug, Clone, Copy)]
pub struct Decision<'a> {
    pub by: &'a str,
    pub reason: Option<&'a str>,
    pub at: Timestamp,
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
        decision: Decision<'_>,
    ) -> Result<ParkedMessage, ActError> {
        let Summary { parked_key, id, queue, revision, .. } = &parked.summary;
        let Decision { by, reason, at } = decision;
        let done =
            Action { at, what: What::Resubmitted, by: Some(by.into()), reason: reason.map(str::to_owned), repaired };
        let update = self
            .if_waiting(&parked.summary)
            .update_expression(
                "SET stage = :stage, message = :message, revision = :next, attempts = :zero, \
                 unsent = :queue, unsent_since = :now, history = list_append(history, :done) \
                 REMOVE waiting, waiting_place",
            )
            .expression_attribute_values(":stage", s("resubmitted"))
            .expression_attribute_values(":message", s(&message))
            .expression_attribute_values(":next", n(revision + 1))
            .expression_attribute_values(":zero", n(0))
            .expression_attribute_values(":queue", s(queue))
            .expression_attribute_values(":now", s(at))
            .expression_attribute_values(":done", AttributeValue::L(vec![action(&done)]));
        let mut actions = vec![update_action(update)];
        if repaired {
            let earlier = Put::builder()
                .table_name(&self.table)
                .item("parked_key", s(parked_key))
                .item("id", s(format!("{id}#r{revision}")))
                .item("message", s(&parked.message))
                .build()
                .expect("all that is required is there");
            actions.push(TransactWriteItem::builder().put(earlier).build());
        }
        if let Some(operation) = self.if_parked(&parked.summary) {
            let problem = Problem::retrying("an operator has resubmitted it");
            actions.push(update_action(
                operation
                    .update_expression(
                        "SET outcome = :retrying, revision = :next, problem = :problem, recorded_at = :now REMOVE attempt",
                    )
                    .expression_attribute_values(":retrying", s(Status::Retrying.as_str()))
                    .expression_attribute_values(":next", n(revision + 1))
                    .expression_attribute_values(":problem", s(problem.to_json()))
                    .expression_attribute_values(":now", s(at)),
            ));
        }
        transact(&self.client, actions).await?;
        let mut resubmitted = parked.clone();
        resubmitted.summary.revision += 1;
        resubmitted.summary.attempts = 0;
        resubmitted.message = message;
        resubmitted.stage = Stage::Resubmitted;
        resubmitted.history.push(done);
        Ok(resubmitted)
    }

    /// The resubmitted message is in its queue. Its record is kept until `expires_at` (seconds since 1970), unless it is
    /// parked again.
    pub async fn sent(&self, resubmitted: &Summary, expires_at: u64) -> Result<(), StoreError> {
        self.expire_earlier(resubmitted, expires_at).await?;
        let update = self
            .of(resubmitted)
            .update_expression("SET expires_at = :expires REMOVE unsent, unsent_since")
            .condition_expression("stage = :stage AND revision = :revision")
            .expression_attribute_values(":stage", s("resubmitted"))
            .expression_attribute_values(":revision", n(resubmitted.revision))
            .expression_attribute_values(":expires", n(expires_at));
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
                && found.parked.stage == Stage::Resubmitted
            {
                unsent.push(found.parked);
            }
        }
        Ok(unsent)
    }

    /// Gives a waiting message up. Its operation ends as `discarded`, with the operator's reason for the client.
    /// `expires_at` (seconds since 1970) is when the records of both may go.
    pub async fn discard(
        &self,
        parked: &ParkedMessage,
        decision: Decision<'_>,
        expires_at: u64,
    ) -> Result<(), ActError> {
        let Decision { by, reason, at } = decision;
        let reason = reason.map(str::to_owned);
        let problem = Problem::discarded(reason.clone().unwrap_or_default());
        let done = Action { at, what: What::Discarded, by: Some(by.into()), reason, repaired: false };
        let update = self
            .if_waiting(&parked.summary)
            .update_expression(
                "SET stage = :stage, expires_at = :expires, history = list_append(history, :done) \
                 REMOVE waiting, waiting_place",
            )
            .expression_attribute_values(":stage", s("discarded"))
            .expression_attribute_values(":expires", n(expires_at))
            .expression_attribute_values(":done", AttributeValue::L(vec![action(&done)]));
        let mut actions = vec![update_action(update)];
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
        transact(&self.client, actions).await?;
        Ok(self.expire_earlier(&parked.summary, expires_at).await?)
    }

    /// What a message was before its repairs is kept no longer than until then. (If it is parked again and waits longer
    /// than that, it waits without them.)
    async fn expire_earlier(&self, message: &Summary, expires_at: u64) -> Result<(), StoreError> {
        if message.revision == 0 {
            return Ok(());
        }
        let earlier = self
            .client
            .query()
            .table_name(&self.table)
            .key_condition_expression("parked_key = :key AND begins_with(id, :id)")
            .projection_expression("parked_key, id")
            .expression_attribute_values(":key", s(&message.parked_key))
            .expression_attribute_values(":id", s(format!("{}#r", message.id)))
            .into_paginator()
            .items()
            .send();
        let earlier: Vec<Item> = earlier.collect::<Result<_, _>>().await.map_err(StoreError::unavailable("Query"))?;
        for key in earlier {
            self.client
                .update_item()
                .table_name(&self.table)
                .set_key(Some(key))
                .update_expression("SET expires_at = :expires")
                .expression_attribute_values(":expires", n(expires_at))
                .send()
                .await
                .map_err(StoreError::unavailable("UpdateItem"))?;
        }
        Ok(())
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

fn update_action(update: UpdateBuilder) -> TransactWriteItem {
    TransactWriteItem::builder().update(update.build().expect("all that is required is there")).build()
}
