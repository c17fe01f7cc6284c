//! Guards: conditions that reach beyond one aggregate, as items of a table of their own.
//!
//! | `guard_key` | holds |
//! | --- | --- |
//! | `tenant#context#claim#name#value` | `holder`: the aggregate whose value it is, as `id` or `type/id` |
//! | `tenant#context#counter#name` | `amount`; `context`: whose counter it is |

use aws_sdk_dynamodb::types::{Delete, Put, TransactWriteItem, Update};
use kernel::decider::{Guard, Rejection};
use kernel::ids::StreamId;

use crate::item::{n, s};

/// A guard's key, what its failure means, and its action.
pub(crate) fn action(guard: &Guard, stream: &StreamId, table: &str) -> (String, Rejection, TransactWriteItem) {
    let StreamId { tenant, context, .. } = stream;
    let us = s(stream.within_context());
    let claim_key = |name: &str, value: &str| format!("{tenant}#{context}#claim#{name}#{value}");
    let held_by_us = "attribute_not_exists(guard_key) OR holder = :us";
    match guard {
        Guard::Claim { name, value, otherwise } => {
            let key = claim_key(name, value);
            let put = Put::builder()
                .table_name(table)
                .item("guard_key", s(&key))
                .item("holder", us.clone())
                .condition_expression(held_by_us)
                .expression_attribute_values(":us", us)
                .build()
                .expect("all that is required is there");
            (key, otherwise.clone(), TransactWriteItem::builder().put(put).build())
        }
        Guard::Release { name, value } => {
            let key = claim_key(name, value);
            let delete = Delete::builder()
                .table_name(table)
                .key("guard_key", s(&key))
                .condition_expression(held_by_us)
                .expression_attribute_values(":us", us)
                .build()
                .expect("all that is required is there");
            let otherwise = Rejection::new("claim-not-held", format!("{name} {value} belongs to another"));
            (key, otherwise, TransactWriteItem::builder().delete(delete).build())
        }
        Guard::Adjust { counter, by, at_least, otherwise } => {
            let key = format!("{tenant}#{}#counter#{}", counter.context, counter.name);
            let mut update = Update::builder()
                .table_name(table)
                .key("guard_key", s(&key))
                .update_expression("ADD amount :by")
                .expression_attribute_values(":by", n(by));
            if let Some(at_least) = at_least {
                let needed = at_least.saturating_sub(*by);
                let absent_is_enough = if needed <= 0 { "attribute_not_exists(guard_key) OR " } else { "" };
                update = update
                    .condition_expression(format!("{absent_is_enough}amount >= :needed"))
                    .expression_attribute_values(":needed", n(needed));
            }
            let update = update.build().expect("all that is required is there");
            (key, otherwise.clone(), TransactWriteItem::builder().update(update).build())
        }
    }
}
