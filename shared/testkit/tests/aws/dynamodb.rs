use aws_sdk_dynamodb::error::ProvideErrorMetadata;
use aws_sdk_dynamodb::types::{
    AttributeValue, KeysAndAttributes, Put, PutRequest, ReturnValuesOnConditionCheckFailure, TransactWriteItem,
    WriteRequest,
};
use serde_json::json;
use testkit::{Aws, TABLES};

pub fn text(value: &str) -> AttributeValue {
    AttributeValue::S(value.to_owned())
}

pub fn number(value: u64) -> AttributeValue {
    AttributeValue::N(value.to_string())
}

/// Puts an item that must be new.
pub fn new_operation(key: &str, outcome: &str) -> TransactWriteItem {
    let put = Put::builder()
        .table_name(TABLES.operations)
        .item("operation_key", text(key))
        .item("outcome", text(outcome))
        .condition_expression("attribute_not_exists(operation_key)")
        .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
        .build()
        .expect("a complete put");
    TransactWriteItem::builder().put(put).build()
}

fn new_commit(stream: &str, commit: u64) -> TransactWriteItem {
    let put = Put::builder()
        .table_name(TABLES.events)
        .item("stream_id", text(stream))
        .item("commit_number", number(commit))
        .condition_expression("attribute_not_exists(stream_id)")
        .build()
        .expect("a complete put");
    TransactWriteItem::builder().put(put).build()
}

#[tokio::test]
async fn a_failed_condition_cancels_the_whole_transaction_and_returns_the_old_item() {
    let aws = Aws::new();
    let client = aws.dynamodb();
    client
        .transact_write_items()
        .transact_items(new_operation("k", "succeeded"))
        .send()
        .await
        .expect("the first one succeeds");

    let error = client
        .transact_write_items()
        .transact_items(new_commit("s", 1))
        .transact_items(new_operation("k", "rejected"))
        .send()
        .await
        .expect_err("the operation exists")
        .into_service_error();

    let aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError::TransactionCanceledException(
        cancelled,
    ) = error
    else {
        panic!("cancelled, not {error:?}");
    };
    let [commit, operation] = cancelled.cancellation_reasons() else { panic!("a reason for each item") };
    assert_eq!(commit.code(), Some("None"));
    assert_eq!(operation.code(), Some("ConditionalCheckFailed"));
    let old = operation.item().expect("the item that was there");
    assert_eq!(old["outcome"], text("succeeded"));
    assert!(aws.items(TABLES.events).is_empty(), "nothing of the transaction happened");
}

#[tokio::test]
async fn items_are_read_back_as_plain_json_in_the_order_of_their_keys() {
    let aws = Aws::new();
    for commit in [10, 9] {
        let written = aws.dynamodb().transact_write_items().transact_items(new_commit("s", commit)).send().await;
        written.expect("a commit");
    }

    let expected = [json!({ "stream_id": "s", "commit_number": 9 }), json!({ "stream_id": "s", "commit_number": 10 })];
    assert_eq!(aws.items(TABLES.events), expected);
}

#[tokio::test]
async fn every_operation_a_store_needs_is_answered() {
    let aws = Aws::new();
    let client = aws.dynamodb();
    let item = |id: &str| {
        [("collection_key", "t#orders"), ("id", id), ("owner_key", "o"), ("list_sort", id)]
            .map(|(name, value)| (name.to_owned(), text(value)))
            .into()
    };
    let key =
        || [("collection_key", "t#orders"), ("id", "1")].map(|(name, value)| (name.to_owned(), text(value))).into();

    client.put_item().table_name(TABLES.read_models).set_item(Some(item("1"))).send().await.expect("PutItem");
    let put = PutRequest::builder().set_item(Some(item("2"))).build().expect("a complete put");
    let write = WriteRequest::builder().put_request(put).build();
    client.batch_write_item().request_items(TABLES.read_models, vec![write]).send().await.expect("BatchWriteItem");
    let updated = client
        .update_item()
        .table_name(TABLES.read_models)
        .set_key(Some(key()))
        .update_expression("ADD seen :one")
        .expression_attribute_values(":one", number(1))
        .send()
        .await;
    updated.expect("UpdateItem");
    let got = client.get_item().table_name(TABLES.read_models).set_key(Some(key())).consistent_read(true).send().await;
    assert_eq!(got.expect("GetItem").item.expect("an item")["seen"], number(1));
    let wanted = KeysAndAttributes::builder().keys(key()).build().expect("complete keys");
    let got = client.batch_get_item().request_items(TABLES.read_models, wanted).send().await.expect("BatchGetItem");
    assert_eq!(got.responses.expect("responses")[TABLES.read_models].len(), 1);
    let listed = client
        .query()
        .table_name(TABLES.read_models)
        .index_name("keys_by_owner")
        .key_condition_expression("owner_key = :owner")
        .expression_attribute_values(":owner", text("o"))
        .scan_index_forward(false)
        .limit(1)
        .send()
        .await
        .expect("Query of an index");
    assert_eq!(listed.items()[0]["id"], text("2"));
    assert!(listed.last_evaluated_key().is_some());
    client.scan().table_name(TABLES.read_models).send().await.expect("Scan");
    client.delete_item().table_name(TABLES.read_models).set_key(Some(key())).send().await.expect("DeleteItem");
    client.describe_table().table_name(TABLES.read_models).send().await.expect("DescribeTable");

    assert_eq!(aws.items(TABLES.read_models).len(), 1);
}

#[tokio::test]
async fn a_reserved_word_is_refused_as_aws_does() {
    let request = Aws::new()
        .dynamodb()
        .update_item()
        .table_name(TABLES.operations)
        .key("operation_key", text("k"))
        .update_expression("SET status = :s")
        .expression_attribute_values(":s", text("x"));

    let error = request.send().await.expect_err("`status` is reserved").into_service_error();

    assert_eq!(error.code(), Some("ValidationException"));
    assert!(error.message().unwrap_or_default().contains("reserved keyword: status"), "{error:?}");
}

#[tokio::test]
async fn each_aws_is_a_world_of_its_own() {
    let (one, other) = (Aws::new(), Aws::new());
    one.dynamodb().transact_write_items().transact_items(new_operation("k", "x")).send().await.expect("a write");

    assert_eq!(one.items(TABLES.operations).len(), 1);
    assert_eq!(other.items(TABLES.operations).len(), 0);
}
