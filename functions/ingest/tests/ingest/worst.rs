//! The worst bodies and schemas: whatever is sent, the answer takes a bounded amount of memory and work.
//!
//! The function has 256 MB. Its runtime has the request in memory three or four times over before ingest sees it, which is
//! 24 MB for the longest one that Lambda hands over; so what ingest itself takes may be a few times the longest body.

use bench::Request;
use std::time::{Duration, Instant};

use lambda_http::Body;
use serde_json::{Value, json};

use crate::MEMORY;
use crate::api::{Api, submit_order, with};
use crate::compressed::gzip;
use crate::hostile::padded;

/// The longest body that Lambda hands over.
const LONGEST: usize = 6 * 1024 * 1024;

/// Bytes that may be allocated at a time while a request is answered, besides the request.
const MOST_MEMORY: usize = 64 * 1024 * 1024;

/// No measure of speed: debug builds take fifty times as long as what is deployed. What is not bounded takes minutes.
const PATIENCE: Duration = Duration::from_secs(20);

const BATCH: &str = "application/cloudevents-batch+json";
const EVENT: &str = "application/cloudevents+json";

/// The answer's status and body, if it took no more memory and time than it may.
async fn answered(api: &Api, name: &str, request: Request) -> (u16, String) {
    let request = request.into_http();
    let before = MEMORY.current_usage();
    MEMORY.reset_peak_usage();
    let start = Instant::now();
    let answer = Box::pin(api.ingest.handle(request, api.now())).await;
    let (took, memory) = (start.elapsed(), MEMORY.peak_usage().saturating_sub(before));
    println!("{name}: {} with {} KiB in {} ms", answer.status(), memory / 1024, took.as_millis());
    assert!(memory <= MOST_MEMORY, "{name} took {memory} bytes");
    assert!(took <= PATIENCE, "{name} took {took:?}");
    let Body::Text(text) = answer.body() else { panic!("ingest answers in text") };
    assert!(text.len() < 1024 * 1024, "{name} is answered by {} bytes", text.len());
    (answer.status().as_u16(), text.clone())
}

/// An array of this length, of the same element.
fn array_of(element: &str, bytes: usize) -> String {
    format!("[{}{element}]", format!("{element},").repeat(bytes / (element.len() + 1) - 1))
}

/// An object of this length, each member named anew.
fn members(value: &str, bytes: usize) -> String {
    let count = bytes / (value.len() + 10);
    let members: Vec<_> = (0..count).map(|nth| format!(r#""m{nth:05x}":{value}"#)).collect();
    format!("{{{}}}", members.join(","))
}

/// An order with this text as its data, and an id of its own.
fn order(nth: usize, data: &str) -> String {
    let event = with(submit_order(), &json!({ "id": format!("n{nth}"), "subject": format!("S-{nth}"), "data": 0 }));
    event.to_string().replacen(r#""data":0"#, &format!(r#""data":{data}"#), 1)
}

/// A batch of so many orders with this text as their data.
fn batch_of(count: usize, data: &str) -> Request {
    let orders: Vec<_> = (0..count).map(|nth| order(nth, data)).collect();
    Request::of_type(BATCH, format!("[{}]", orders.join(",")))
}

const EVENT_SIZE: usize = 250_000;

/// Data that costs most as values, as names, as faults, as depth.
fn worst_data(bytes: usize) -> Vec<(&'static str, String)> {
    let lines = |line: &str| format!(r#"{{"customer":"C-7","lines":{}}}"#, array_of(line, bytes - 40));
    let deep = "[".repeat(63) + &"]".repeat(63);
    vec![
        ("numbers", array_of("1", bytes)),
        ("arrays", array_of("[]", bytes)),
        ("arrays of arrays", array_of("[[[1]]]", bytes)),
        ("deep arrays", array_of(&deep, bytes)),
        ("objects", array_of(r#"{"":1}"#, bytes)),
        ("members", members("1", bytes)),
        ("objects as members", members(r#"{"a":{}}"#, bytes)),
        ("a string", format!("\"{}\"", "x".repeat(bytes - 2))),
        ("escapes", format!("\"{}\"", r"\u0001".repeat(bytes / 6 - 1))),
        ("faults", lines("{}")),
        ("more faults", lines(r#"{"sku":1,"x":1,"y":2,"unitPrice":{"a":1}}"#)),
        ("a long name", format!(r#"{{"{}":{}}}"#, "x".repeat(bytes / 2), array_of("{}", bytes / 2 - 10))),
        ("inexact numbers", array_of("1e-400", bytes)),
        ("numbers that are nearly too long", array_of("0.30000000000000004", bytes)),
    ]
}

#[tokio::test]
async fn data_of_any_kind_takes_little_memory_alone_and_in_a_batch() {
    let api = Api::new();
    api.warm_up().await;
    for (name, data) in worst_data(EVENT_SIZE) {
        let (status, _) = answered(&api, name, Request::structured(&order(0, &data))).await;
        assert_eq!(status, 422, "{name}");
        let mut binary = Request::binary(&submit_order());
        binary.body = data.clone().into();
        assert_eq!(answered(&api, name, binary).await.0, 422, "{name}");
        assert_eq!(answered(&api, &format!("24 of {name}"), batch_of(24, &data)).await.0, 400, "{name}");
    }
    for (name, data) in worst_data(60_000) {
        assert_eq!(answered(&api, &format!("100 of {name}"), batch_of(100, &data)).await.0, 400, "{name}");
    }
    api.assert_nothing_queued();
}

#[tokio::test]
async fn bodies_of_any_kind_take_little_memory_and_need_no_grant() {
    let api = Api::new();
    api.warm_up().await;
    let extensions = order(0, "{}").replacen('{', &format!("{},", members("1", EVENT_SIZE).trim_end_matches('}')), 1);
    let bodies = [
        ("ones", BATCH, array_of("1", LONGEST), 413),
        ("empty objects", BATCH, array_of("{}", LONGEST), 413),
        ("an open end", BATCH, "[".repeat(LONGEST), 400),
        ("deep elements", BATCH, array_of(&("[".repeat(50_000) + &"]".repeat(50_000)), LONGEST), 400),
        ("a long string", BATCH, format!("[\"{}\"]", "x".repeat(LONGEST - 4)), 400),
        ("white space", BATCH, " ".repeat(LONGEST), 400),
        ("members", BATCH, members("1", LONGEST), 400),
        ("events of many extensions", BATCH, array_of(&extensions, LONGEST - EVENT_SIZE), 400),
        ("an event of many extensions", EVENT, extensions, 422),
        ("a long event", EVENT, array_of("1", LONGEST), 413),
        ("a deep event", EVENT, "{\"a\":".repeat(50_000), 400),
        ("beyond what Lambda hands over", BATCH, array_of("1", 10 * 1024 * 1024), 413),
    ];
    for (name, content_type, body, expected) in bodies {
        let (status, text) = answered(&api, name, Request::of_type(content_type, body)).await;
        assert_eq!(status, expected, "{name}: {text}");
    }
    api.assert_nothing_queued();
}

#[tokio::test]
async fn what_is_small_only_while_it_is_compressed_takes_little_memory() {
    let api = Api::new();
    api.warm_up().await;
    let bodies = [
        ("a bomb", BATCH, gzip(&vec![0; 20_000_000]), 413),
        ("a bomb of an event", EVENT, gzip(&vec![b' '; 20_000_000]), 413),
        ("ones", BATCH, gzip(array_of("1", LONGEST).as_bytes()), 413),
        ("nothing, over and over", BATCH, gzip(b"").repeat(LONGEST / 20), 400),
        ("white space", BATCH, gzip(" ".repeat(LONGEST).as_bytes()), 400),
        ("a bomb in a bomb", EVENT, gzip(&gzip(&vec![b' '; 20_000_000])), 400),
    ];
    for (name, content_type, body, expected) in bodies {
        let request = Request::of_type(content_type, body).header("content-encoding", "gzip");
        let (status, text) = answered(&api, name, request).await;
        assert_eq!(status, expected, "{name}: {text}");
    }
    api.assert_nothing_queued();
}

#[tokio::test]
async fn the_longest_batches_that_are_taken_take_little_memory() {
    let long = |nth: usize| padded(&with(submit_order(), &json!({ "id": format!("n{nth}") })), EVENT_SIZE);
    let short = |nth: usize| padded(&with(submit_order(), &json!({ "id": format!("n{nth}") })), 62_000);
    let batches = [("24 long ones", (0..24).map(long).collect::<Vec<_>>()), ("100", (0..100).map(short).collect())];
    for (name, events) in batches {
        let api = Api::new();
        api.warm_up().await;
        let request = Request::of_type(BATCH, format!("[{}]", events.join(",")));
        assert_eq!(answered(&api, name, request).await.0, 202, "{name}");
        assert_eq!(api.queued("orders").len(), events.len());
    }
}

/// With this one the engine gives up its quick way: hundreds of states for each character.
const SLOW_PATTERN: &str = "(a|b)*a(a|b){150}c";

fn letters(count: usize) -> String {
    (0..count).map(|nth| if (nth * 7919 / 13).is_multiple_of(3) { 'b' } else { 'a' }).collect()
}

/// `{"anyOf": [inner, inner]}`, so many times.
fn nested(keyword: &str, levels: usize, inner: &Value) -> Value {
    (0..levels).fold(inner.clone(), |inner, _| json!({ keyword: [inner.clone(), inner] }))
}

/// Schemas that keep within their bounds, with data that asks most of them.
fn worst_pairs() -> Vec<(&'static str, Value, String)> {
    let bytes = EVENT_SIZE;
    let object_of = |schema: Value| json!({ "additionalProperties": schema });
    let string = |text: &str| format!("\"{text}\"");
    let strings: Vec<_> = (0..4000).map(|nth| json!(format!("option {nth}"))).collect();
    let any_word = json!({ "pattern": "^[a-z]+$", "minLength": 1, "maxLength": 9, "format": "hostname" });
    vec![
        ("alternatives", json!({ "items": nested("anyOf", 10, &json!({ "type": "string" })) }), array_of("1", bytes)),
        ("one of many", json!({ "items": nested("oneOf", 9, &json!({ "minimum": 0 })) }), array_of("1", bytes)),
        ("never", json!({ "items": nested("anyOf", 6, &json!({ "not": {} })) }), array_of("{}", bytes)),
        ("options", json!({ "items": { "enum": strings } }), array_of("\"option\"", bytes)),
        ("a large constant", json!({ "items": { "const": vec![1; 5000] } }), array_of("[1,1,1]", bytes)),
        ("all unique", json!({ "uniqueItems": true, "items": { "uniqueItems": true } }), array_of("[1,2,3,4]", bytes)),
        ("a slow pattern", json!({ "pattern": SLOW_PATTERN }), string(&letters(bytes))),
        ("a slow pattern's most", json!({ "pattern": SLOW_PATTERN }), string(&letters(20_000))),
        ("slow patterns for names", json!({ "patternProperties": { SLOW_PATTERN: false } }), members("1", bytes)),
        ("names", json!({ "propertyNames": any_word.clone() }), members("1", bytes)),
        ("words", json!({ "items": any_word }), array_of("\"wordy\"", bytes)),
        ("lengths", json!({ "allOf": vec![json!({ "minLength": 1 }); 3000] }), string(&"é".repeat(bytes / 2))),
        (
            "addresses",
            json!({ "allOf": vec![json!({ "format": "uri" }); 3000] }),
            string(&"http://a/".repeat(bytes / 9)),
        ),
        ("a regex in data", json!({ "format": "regex" }), string(&"(a".repeat(bytes / 2))),
        ("a short regex", json!({ "format": "regex" }), string(&"[a]".repeat(2000))),
        ("regexes", json!({ "items": { "format": "regex" } }), array_of("\"(a|b)*[^c]\"", bytes)),
        (
            "left over",
            object_of(json!({ "allOf": [object_of(json!(true))], "unevaluatedProperties": false })),
            members(r#"{"a":1}"#, bytes),
        ),
        ("left over in steps", left_over(5), members("1", 50_000)),
        ("contained", json!({ "allOf": vec![json!({ "contains": { "const": 2 } }); 500] }), array_of("1", bytes)),
        ("required", json!({ "items": { "required": strings_named(2000) } }), array_of("{}", bytes)),
        ("none allowed", json!({ "items": object_of(json!(false)) }), array_of(r#"{"a":1,"b":2}"#, bytes)),
        ("multiples", json!({ "items": { "multipleOf": 1e-300 } }), array_of("1e300", bytes)),
        (
            "tall",
            (0..60).fold(json!({ "type": "string" }), |inner, _| json!({ "items": inner })),
            array_of(&("[".repeat(60) + &"]".repeat(60)), bytes),
        ),
        (
            "long paths",
            object_of(json!({ "items": false })),
            format!(r#"{{"{}":{}}}"#, "x".repeat(200_000), array_of("1", 50_000)),
        ),
        (
            "paths in paths",
            object_of(object_of(json!({ "items": { "type": "string" } }))),
            members(&format!(r#"{{"{}":[1,1,1]}}"#, "x".repeat(500)), bytes),
        ),
    ]
}

fn strings_named(count: usize) -> Vec<String> {
    (0..count).map(|nth| format!("n{nth}")).collect()
}

fn left_over(levels: usize) -> Value {
    (0..levels)
        .fold(json!(true), |inner, _| json!({ "anyOf": [inner], "unevaluatedProperties": { "type": "integer" } }))
}

/// A tenant whose commands go to a queue of its own, so that only this schema is asked.
fn api_with(schema: &Value) -> Api {
    let api = Api::without_tenants();
    api.register_client("shop-client", "demo");
    let queue = testkit::Aws::queue_url("own.fifo");
    let sources = ["https://shop.example/"];
    api.register_tenant(
        "demo",
        &json!({
            "grants": [{ "principals": ["*"], "types": ["*"], "sources": sources }],
            "routes": [{ "source": sources[0], "queue": queue }],
        }),
    );
    api.register_schema("demo", "urn:demo:worst", "Hurt", &schema.to_string());
    api
}

/// Whether the budgets allow a check or refuse it, what is not refused is soon done.
#[tokio::test]
async fn the_worst_schemas_and_data_take_a_bounded_amount_of_work_together() {
    let mut checked = 0;
    for (name, schema, data) in worst_pairs() {
        let api = api_with(&schema);
        let hurt = |nth: usize| order(nth, &data).replacen("\"SubmitOrder\"", "\"Hurt\"", 1);
        let small = with(submit_order(), &json!({ "id": "small", "type": "Hurt", "data": null })).to_string();
        let small = small.replacen('{', r#"{"data":{},"#, 1);
        let (status, text) = answered(&api, &format!("{name}, compiled"), Request::structured(&small)).await;
        assert!(!text.contains("unknown-schema"), "{name}: {text}");
        assert!(matches!(status, 202 | 422), "{name}: {text}");
        let (status, text) = answered(&api, name, Request::structured(&hurt(0))).await;
        assert!(matches!(status, 202 | 413 | 422), "{name}: {status} {text}");
        checked += usize::from(status != 413);
        let batch: Vec<_> = (0..((LONGEST - 64 * 1024) / data.len()).min(100)).map(hurt).collect();
        let batch = Request::of_type(BATCH, format!("[{}]", batch.join(",")));
        let (status, text) = answered(&api, &format!("a batch of {name}"), batch).await;
        assert!(matches!(status, 202 | 400), "{name}: {status} {text}");
    }
    assert!(checked > 8, "only {checked} of the pairs were checked, so they show little");
}

/// One budget for a request, and not one for each of its events.
#[tokio::test]
async fn the_events_of_a_batch_share_a_budget() {
    let api = api_with(&json!({ "pattern": SLOW_PATTERN }));
    let data = format!("\"{}\"", letters(20_000));
    let hurt = |nth: usize| order(nth, &data).replacen("\"SubmitOrder\"", "\"Hurt\"", 1);
    assert_eq!(answered(&api, "one", Request::structured(&hurt(0))).await.0, 422);
    let batch: Vec<_> = (0..100).map(hurt).collect();
    let (status, text) = answered(&api, "100", Request::of_type(BATCH, format!("[{}]", batch.join(",")))).await;
    assert_eq!(status, 400);
    let problem: kernel::problem::Problem = serde_json::from_str(&text).expect("a problem");
    let count = |kind: &str| {
        let is_of_kind = |ty: &str| ty.ends_with(kind);
        problem.errors.iter().filter(|fault| fault.ty.as_deref().is_some_and(is_of_kind)).count()
    };
    assert!((1..=10).contains(&count(":invalid-data")), "{text}");
    assert!(count(":too-large") >= 90, "{text}");
}
