use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_sdk_dynamodb::error::ProvideErrorMetadata;
use testkit::{Aws, Fault, Service, TABLES};

use crate::dynamodb::{new_operation, text};

#[tokio::test(start_paused = true)]
async fn a_lost_answer_is_retried_with_the_same_token_and_does_no_harm() {
    let aws = Aws::new();
    let tokens = Arc::new(Mutex::new(Vec::new()));
    let seen = tokens.clone();
    aws.inject(move |attempt| {
        let body: serde_json::Value = serde_json::from_str(attempt.body).expect("JSON");
        seen.lock().expect("the list").push(body["ClientRequestToken"].as_str().expect("a token").to_owned());
        if attempt.nth == 1 { Fault::LoseAnswer } else { Fault::None }
    });

    let outcome = aws.dynamodb().transact_write_items().transact_items(new_operation("k", "succeeded")).send().await;

    outcome.expect("the retry meets the transaction of its own token, not a failed condition");
    let tokens = tokens.lock().expect("the list");
    assert_eq!(tokens.len(), 2);
    assert_eq!(tokens[0], tokens[1]);
    assert_eq!(aws.items(TABLES.operations).len(), 1);
    let statuses: Vec<_> = aws.calls().iter().map(|call| call.status).collect();
    assert_eq!(statuses, [None, Some(200)]);
}

#[tokio::test(start_paused = true)]
async fn a_lost_request_has_not_happened() {
    let aws = Aws::new();
    aws.inject(|_| Fault::LoseRequest);

    let outcome = aws.dynamodb().transact_write_items().transact_items(new_operation("k", "x")).send().await;

    outcome.expect_err("three attempts, all lost");
    assert_eq!(aws.count("TransactWriteItems"), 3);
    assert!(aws.items(TABLES.operations).is_empty());
}

#[tokio::test(start_paused = true)]
async fn throttling_is_retried_by_every_client() {
    let aws = Aws::new();
    aws.inject(|attempt| if attempt.nth == 1 { Fault::Throttle } else { Fault::None });

    let get = aws.dynamodb().get_item().table_name(TABLES.operations).key("operation_key", text("k"));
    get.send().await.expect("retried");
    let send = aws.sqs().send_message().queue_url(Aws::queue_url("q")).message_body("m");
    send.send().await.expect("retried");
    let publish = aws.sns().publish().topic_arn(Aws::topic_arn("t")).message("m");
    publish.send().await.expect("retried");

    for operation in ["GetItem", "SendMessage", "Publish"] {
        assert_eq!(aws.count(operation), 2, "{operation}\n{}", aws.calls());
    }
}

#[tokio::test(start_paused = true)]
async fn a_refusal_has_the_status_and_the_code_that_were_asked_for() {
    let aws = Aws::new();
    aws.inject(|_| Fault::refuse(400, "AccessDeniedException"));

    let get = aws.dynamodb().get_item().table_name(TABLES.operations).key("operation_key", text("k"));
    let error = get.send().await.expect_err("refused");
    let send = aws.sqs().send_message().queue_url(Aws::queue_url("q")).message_body("m").send().await;
    let publish = aws.sns().publish().topic_arn(Aws::topic_arn("t")).message("m").send().await;

    assert_eq!(error.code(), Some("AccessDeniedException"));
    assert_eq!(send.expect_err("refused").code(), Some("AccessDeniedException"));
    assert_eq!(publish.expect_err("refused").code(), Some("AccessDeniedException"));
    assert_eq!(aws.calls().len(), 3, "not retried");
}

#[tokio::test(start_paused = true)]
async fn a_transaction_conflict_names_its_item() {
    let aws = Aws::new();
    aws.inject(|_| Fault::TransactionConflict { item: 1 });

    let error = aws
        .dynamodb()
        .transact_write_items()
        .transact_items(new_operation("a", "x"))
        .transact_items(new_operation("b", "x"))
        .send()
        .await
        .expect_err("cancelled")
        .into_service_error();

    let aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError::TransactionCanceledException(
        cancelled,
    ) = error
    else {
        panic!("cancelled, not {error:?}");
    };
    let codes: Vec<_> = cancelled.cancellation_reasons().iter().filter_map(|reason| reason.code()).collect();
    assert_eq!(codes, ["None", "TransactionConflict"]);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_hangs_ends_with_the_clients_time_out() {
    let aws = Aws::new();
    aws.inject(|attempt| if attempt.nth == 1 { Fault::Hang } else { Fault::None });
    let start = tokio::time::Instant::now();

    let get = aws.dynamodb().get_item().table_name(TABLES.operations).key("operation_key", text("k"));
    get.send().await.expect("the second attempt is answered");

    assert!(start.elapsed() >= Duration::from_secs(5));
    assert_eq!(aws.calls()[0].status, None);
}

#[tokio::test(start_paused = true)]
async fn faults_end_when_healed() {
    let aws = Aws::new();
    aws.inject(|_| Fault::LoseRequest);
    aws.heal();

    let get = aws.dynamodb().get_item().table_name(TABLES.operations).key("operation_key", text("k"));
    get.send().await.expect("answered");
}

#[tokio::test]
async fn calls_are_counted_measured_and_printed() {
    let aws = Aws::new();
    let get = aws.dynamodb().get_item().table_name(TABLES.operations).key("operation_key", text("k"));
    get.send().await.expect("answered");

    let calls = aws.calls();
    assert_eq!(calls[0].service, Service::DynamoDb);
    assert_eq!(calls[0].operation, "GetItem");
    assert_eq!(calls[0].response_bytes, "{}".len());
    assert!(calls[0].request_bytes > 0);
    let table = calls.to_string();
    assert!(table.lines().nth(1).is_some_and(|line| line.contains("dynamodb  GetItem ")), "{table}");

    aws.forget_calls();
    assert!(aws.calls().is_empty());
    assert_eq!(aws.count("GetItem"), 0);
}
