use std::time::{Duration, Instant};

use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use testkit::{Aws, Fault, TABLES};

use crate::dynamodb::{new_operation, number, text};

#[tokio::test(start_paused = true)]
async fn a_thousand_calls_of_four_virtual_milliseconds_are_quick() {
    let aws = Aws::new();
    let client = aws.dynamodb();
    aws.inject(|_| Fault::Delay(Duration::from_millis(4)));
    let (real, start) = (Instant::now(), aws.now());

    for _ in 0..1_000 {
        let get = client.get_item().table_name(TABLES.operations).key("operation_key", text("k"));
        get.send().await.expect("answered");
    }

    let virtual_time = aws.now().duration_since(start).expect("time goes forward");
    assert!(virtual_time >= Duration::from_secs(4), "{virtual_time:?}");
    assert!(virtual_time < Duration::from_secs(6), "{virtual_time:?}");
    assert!(real.elapsed() < Duration::from_secs(10), "{:?}", real.elapsed());
}

#[tokio::test(start_paused = true)]
async fn calls_that_take_time_take_it_side_by_side() {
    let aws = Aws::new();
    aws.every_call_takes(Duration::from_secs(1));
    let client = aws.dynamodb();
    let write = |key: &str| client.transact_write_items().transact_items(new_operation(key, "x")).send();
    let start = aws.now();

    let (one, other) = tokio::join!(write("a"), write("b"));

    one.expect("written");
    other.expect("written");
    assert_eq!(aws.now().duration_since(start).expect("time goes forward").as_secs(), 1);
}

#[tokio::test(start_paused = true)]
async fn expired_items_are_swept_by_the_tests_own_clock() {
    let aws = Aws::new();
    let expiry = aws.now() + Duration::from_mins(1);
    let expiry = expiry.duration_since(std::time::UNIX_EPOCH).expect("after 1970").as_secs();
    let put = aws.dynamodb().put_item().table_name(TABLES.operations).item("operation_key", text("k"));
    put.item("expires_at", number(expiry)).send().await.expect("written");

    assert_eq!(aws.database().sweep_ttl().expect("swept"), 0);
    tokio::time::advance(Duration::from_mins(2)).await;
    assert_eq!(aws.database().sweep_ttl().expect("swept"), 1);

    assert!(aws.items(TABLES.operations).is_empty());
}

#[tokio::test(start_paused = true)]
async fn an_item_that_a_transaction_holds_is_refused_to_others_until_it_is_committed() {
    let aws = Aws::new();
    let held = Duration::from_millis(8);
    aws.transactions_hold_items(held, held, 1);
    let client = aws.dynamodb();
    let write = |keys: &[&str]| {
        let items = keys.iter().map(|key| new_operation(key, "x")).collect();
        client.transact_write_items().set_transact_items(Some(items)).send()
    };

    let a_moment_later = async |keys: &[&str]| {
        tokio::time::sleep(held / 2).await;
        write(keys).await
    };

    let (first, second, third) =
        tokio::join!(write(&["a", "b"]), a_moment_later(&["c", "b", "a"]), a_moment_later(&["d"]));

    first.expect("nobody was there");
    third.expect("another item");
    let refused = second.expect_err("two of its items are held").into_service_error();
    let TransactWriteItemsError::TransactionCanceledException(cancelled) = refused else { panic!("{refused:?}") };
    let codes: Vec<_> = cancelled.cancellation_reasons().iter().filter_map(|reason| reason.code()).collect();
    assert_eq!(codes, ["None", "TransactionConflict", "TransactionConflict"]);
    assert_eq!(aws.items(TABLES.operations).len(), 3, "a, b and d");

    // One that is given up has not happened, and holds nothing any more.
    tokio::time::timeout(held / 2, write(&["e"])).await.expect_err("it takes longer");
    let start = aws.now();
    write(&["e"]).await.expect("nobody is there");
    assert!(aws.now().duration_since(start).expect("time goes forward") >= held);
}
