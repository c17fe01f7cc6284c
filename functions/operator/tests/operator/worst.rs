//! The worst bodies: whatever is sent, the answer takes a bounded amount of memory.

use serde_json::{Value, json};

use crate::MEMORY;
use crate::api::{Api, Queued, bad_order, post, second};

/// Bytes that may be allocated at a time while a request is answered, besides the request.
const MOST_MEMORY: usize = 64 * 1024 * 1024;

/// The answer's status, if it took no more memory than it may.
async fn answered(api: &Api, name: &str, target: &str, body: String) -> u16 {
    let request = post(target, &json!({})).body(body).into_http();
    let before = MEMORY.current_usage();
    MEMORY.reset_peak_usage();
    let start = std::time::Instant::now();
    let answer = Box::pin(api.desk.handle(request, api.now())).await;
    let memory = MEMORY.peak_usage().saturating_sub(before);
    println!("{name}: {} with {} KiB in {} ms", answer.status(), memory / 1024, start.elapsed().as_millis());
    assert!(memory <= MOST_MEMORY, "{name} took {memory} bytes");
    answer.status().as_u16()
}

fn array_of(element: &str, bytes: usize) -> String {
    format!("[{}{element}]", format!("{element},").repeat(bytes / (element.len() + 1) - 1))
}

async fn api_with_a_bad_order() -> (Api, String) {
    let api = Api::new();
    let id = api.parks(&Queued::order("demo", "O-1", &bad_order(), second(0))).await;
    api.detail(&id).await;
    (api, id)
}

#[tokio::test]
async fn repaired_data_of_any_kind_takes_little_memory() {
    let (api, id) = api_with_a_bad_order().await;
    api.register_schema("demo", "urn:demo:order", "SubmitOrder", r#"{ "minProperties": 1 }"#);
    let before = api.everything();
    let target = format!("/parked/{id}/resubmit");
    for (name, element) in [
        ("numbers", "1"),
        ("arrays", "[[1]]"),
        ("objects", r#"{"":1}"#),
        ("faults", r#"{"sku":1,"x":1,"y":2,"unitPrice":{"a":1}}"#),
        ("inexact numbers", "1e-400"),
    ] {
        let repair = |bytes: usize| {
            format!(r#"{{"data":{{"customer":"C-7","lines":{}}},"reason":"a repair"}}"#, array_of(element, bytes))
        };
        assert_eq!(answered(&api, name, &target, repair(250_000)).await, 422, "{name}");
        assert_eq!(answered(&api, name, &target, repair(300_000)).await, 413, "{name}");
        for bytes in [900_000, 6_000_000] {
            assert_eq!(answered(&api, name, &target, repair(bytes)).await, 413, "{name}");
        }
    }
    assert_eq!(api.everything(), before);
}

#[tokio::test]
async fn groups_of_any_size_take_little_memory() {
    let (api, id) = api_with_a_bad_order().await;
    let before = api.everything();
    for target in ["/parked/resubmit".to_owned(), "/parked/discard".to_owned(), format!("/parked/{id}/discard")] {
        for bytes in [300_000, 6_000_000] {
            let ids = format!(r#"{{"ids":{},"reason":"a reason"}}"#, array_of("\"\"", bytes));
            let expected = if bytes > 320 * 1024 { 413 } else { 400 };
            assert_eq!(answered(&api, &target, &target, ids).await, expected);
        }
    }
    assert_eq!(api.everything(), before);
}

/// A parked message is at most what a queue carries, and its data is shown with what its schema has against it.
#[tokio::test]
async fn what_is_parked_is_shown_in_little_memory_whatever_is_in_it() {
    let api = Api::new();
    let line = json!({ "sku": 1, "x": 1, "y": 2, "unitPrice": { "a": 1 } });
    let data: Value = json!({ "customer": "C-7", "lines": vec![line; 5000] });
    let id = api.parks(&Queued::order("demo", "O-1", &data, second(0))).await;
    let request = crate::api::get(format!("/parked/{id}")).into_http();
    let before = MEMORY.current_usage();
    MEMORY.reset_peak_usage();
    let answer = Box::pin(api.desk.handle(request, api.now())).await;
    let memory = MEMORY.peak_usage().saturating_sub(before);
    assert_eq!(answer.status(), 200);
    assert!(memory <= MOST_MEMORY, "{memory} bytes");
}
