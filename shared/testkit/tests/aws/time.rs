use std::time::{Duration, Instant};

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
