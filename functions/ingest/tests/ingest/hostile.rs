//! Input made to hurt: answered at once, with 4xx, and without effect.

use bench::{Answer, Request};
use std::time::{Duration, Instant};

use proptest::prelude::*;
use serde_json::{Value, json};

use crate::api::{Api, submit_order, with};

const DEEP: usize = 100_000;
/// Generous for a debug build on a busy machine; what is quadratic or worse takes minutes.
const QUICK: Duration = Duration::from_secs(2);

/// The event as text of that length, its data filled up with white space.
pub fn padded(event: &Value, length: usize) -> String {
    let text = event.to_string();
    let data = event["data"].to_string();
    let spaces = " ".repeat(length - text.len());
    text.replacen(&data, &format!("{}{spaces}}}", &data[..data.len() - 1]), 1)
}

async fn quickly<T>(work: impl Future<Output = T>) -> T {
    let start = Instant::now();
    let done = work.await;
    assert!(start.elapsed() < QUICK, "took {:?}", start.elapsed());
    done
}

#[tokio::test]
async fn json_nested_a_hundred_thousand_deep_is_refused_wherever_it_is() {
    let api = Api::new();
    let deep = "[".repeat(DEEP) + &"]".repeat(DEEP);
    let with_deep = |name: &str| submit_order().to_string().replacen('{', &format!("{{\"{name}\":{deep},"), 1);
    let without_data = with(submit_order(), &json!({ "data": null })).to_string();
    let mut binary = Request::binary(&submit_order());
    binary.body = deep.clone().into();
    let requests = [
        Request::structured(&deep),
        Request::structured(&"{\"a\":".repeat(DEEP)[..250_000]),
        Request::structured(&with_deep("extension")),
        Request::structured(&without_data.replacen('{', &format!("{{\"data\":{deep},"), 1)),
        Request::of_type("application/cloudevents-batch+json", "[".repeat(DEEP * 10)),
        Request::of_type("application/cloudevents-batch+json", format!("[{deep},{}]", with_deep("x"))),
        binary,
    ];
    quickly(async {
        for request in requests {
            let answer = api.send(request).await;
            assert_eq!(answer.status, 400, "{answer:#?}");
        }
    })
    .await;
    api.assert_nothing_queued();
}

#[tokio::test]
async fn an_event_too_large_for_its_way_is_refused_and_one_that_just_fits_is_not() {
    let api = Api::new();
    api.warm_up().await;
    let sizes = [300 * 1024, 256 * 1024 + 1, 256 * 1024];
    for size in sizes {
        api.send(Request::structured(&padded(&submit_order(), size))).await.refused("too-large");
    }
    let mut binary = Request::binary(&submit_order());
    binary.body.extend(vec![b' '; 300 * 1024]);
    api.send(binary).await.refused("too-large");
    api.assert_nothing_queued();
    let of_length = |nth: usize, length: usize| {
        let event = with(submit_order(), &json!({ "id": format!("fits-{nth}") }));
        Request::structured(&padded(&event, length))
    };
    api.send(of_length(0, 255 * 1024)).await.accepted();
    let (message, _) = api.only_command("orders");
    let most = 255 * 1024 + (256 * 1024 - message.body.len());
    api.send(of_length(1, most)).await.accepted();
    let lengths: Vec<_> = api.queued("orders").iter().map(|message| message.body.len()).collect();
    assert_eq!(lengths[1], 256 * 1024, "the message counts, with what ingest adds to the event");
    api.send(of_length(2, most + 1)).await.refused("too-large");
}

#[tokio::test]
async fn sixty_four_kib_are_always_taken() {
    let api = Api::new();
    api.send(Request::structured(&padded(&submit_order(), 64 * 1024))).await.accepted();
}

#[tokio::test]
async fn bytes_that_are_no_text_are_refused() {
    let api = Api::new();
    for (content_type, body) in [
        ("application/cloudevents+json", &b"{\"id\":\"\xff\"}"[..]),
        ("application/cloudevents-batch+json", b"[\xc3\x28]"),
        ("application/cloudevents+json", b"\x00\x01\x02"),
    ] {
        api.send(Request::of_type(content_type, body)).await.refused("malformed-event");
    }
    let mut binary = Request::binary(&submit_order());
    binary.body = b"{\"customer\":\"\xed\xa0\x80\"}".to_vec();
    api.send(binary).await.refused("malformed-event");
    let mut binary = Request::binary(&submit_order());
    binary.headers.push(("ce-note".to_owned(), b"caf\xe9".to_vec()));
    let problem = api.send(binary).await.refused("malformed-event");
    assert_eq!(problem.attribute.as_deref(), Some("ce-note"));
    api.assert_nothing_queued();
}

/// Sends an order that names this schema of the tenant's own, with this note as part of its data.
async fn checked_by(schema: &Value, data: Value) -> Answer {
    let api = Api::without_tenants();
    api.register_client("shop-client", "demo");
    let queue = testkit::Aws::queue_url("own.fifo");
    api.register_tenant(
        "demo",
        &json!({
            "grants": [{ "principals": ["*"], "types": ["*"], "sources": ["https://shop.example/"] }],
            "routes": [{ "source": "https://shop.example/", "queue": queue }],
        }),
    );
    api.register_schema("demo", "urn:demo:hostile", "Hurt", &schema.to_string());
    let event = with(submit_order(), &json!({ "type": "Hurt", "dataschema": "urn:demo:hostile", "data": data }));
    quickly(api.send(Request::structured(&event))).await
}

#[tokio::test]
async fn a_schema_cannot_reach_out_of_itself() {
    for target in [
        "https://evil.example/schema.json",
        "http://169.254.169.254/latest/meta-data/",
        "file:///etc/passwd",
        "other.json",
        "//evil.example/x",
        "https://json-schema.org/draft/2020-12/schema",
        "#anchor",
    ] {
        let answer = checked_by(&json!({ "properties": { "x": { "$ref": target } } }), json!({ "x": 1 })).await;
        let problem = answer.refused("internal");
        assert!(problem.detail.contains(target), "{problem:#?}");
    }
    // Which draft it says it is in does not count, and is not fetched either.
    checked_by(&json!({ "$schema": "https://evil.example/meta", "type": "object" }), json!({})).await.accepted();
}

#[tokio::test]
async fn a_pattern_that_backtracks_elsewhere_takes_linear_time_here() {
    let almost = "a".repeat(200_000) + "b";
    for pattern in ["^(a+)+$", "^(a|a)*$", "^(a|aa)+$", "(.*)*c$", "(x+x+)+y", "^(([a-z])+.)+[A-Z]([a-z])+$"] {
        let answer =
            checked_by(&json!({ "properties": { "x": { "pattern": pattern } } }), json!({ "x": almost })).await;
        assert_eq!(answer.refused("invalid-data").errors[0].pointer.as_deref(), Some("/x"), "{pattern}");
    }
}

/// With this one the engine gives up its quick way: hundreds of states for each character.
const SLOW_PATTERN: &str = "(a|b)*a(a|b){150}c";

fn letters(count: u32) -> String {
    (0..count).map(|nth| if (nth * 7919 / 13).is_multiple_of(3) { 'b' } else { 'a' }).collect()
}

#[tokio::test]
async fn a_pattern_of_many_states_is_still_linear() {
    let schema = json!({ "properties": { "x": { "pattern": SLOW_PATTERN } } });
    checked_by(&schema, json!({ "x": letters(20_000) })).await.refused("invalid-data");
}

#[tokio::test]
async fn many_slow_patterns_meet_no_long_text() {
    let patterns: Vec<_> = (0..50).map(|nth| json!({ "pattern": format!("{SLOW_PATTERN}{nth}") })).collect();
    let schema = json!({ "properties": { "x": { "not": { "anyOf": patterns } } } });
    let problem = checked_by(&schema, json!({ "x": letters(200_000) })).await.refused("too-large");
    assert_eq!(problem.attribute.as_deref(), Some("data"), "{problem:#?}");
    checked_by(&schema, json!({ "x": "tea" })).await.accepted();
}

#[tokio::test]
async fn ordinary_patterns_are_no_burden() {
    for (pattern, text) in [
        (r"^[A-Z]{2}[0-9]{2}[A-Z0-9]{11,30}$", "DE89370400440532013000"),
        (r"^\p{L}[\p{L} '-]{0,3}$", "Zoë"),
        (r"^[A-Za-z0-9._%+-]{1,64}@[A-Za-z0-9.-]{1,100}\.[A-Za-z]{2,}$", "jane@shop.example"),
        (r"^\d{4}-(0[1-9]|1[0-2])-\d{2}$", "2026-01-31"),
        (r"^[^<>]{1,80}$", "Earl Grey"),
    ] {
        let schema = json!({ "properties": { "x": { "pattern": pattern } } });
        checked_by(&schema, json!({ "x": text })).await.accepted();
        checked_by(&schema, json!({ "x": "<>" })).await.refused("invalid-data");
    }
}

#[tokio::test]
async fn a_pattern_that_compiles_to_megabytes_is_refused() {
    for pattern in ["a{1000}{1000}", r"[\p{L}\p{N}]{1000}", r"(\p{L}{50}){50}"] {
        checked_by(&json!({ "pattern": pattern }), json!("a")).await.refused("internal");
    }
}

/// `d0` asks `d1` twice, which asks `d2` twice, and so on.
fn doubling(levels: usize, link: impl Fn(Value) -> Value) -> Value {
    let mut definitions = serde_json::Map::new();
    for level in 0..levels {
        let next = json!({ "$ref": format!("#/$defs/d{}", level + 1) });
        definitions.insert(format!("d{level}"), link(next));
    }
    definitions.insert(format!("d{levels}"), json!({ "type": "object" }));
    json!({ "$ref": "#/$defs/d0", "$defs": definitions })
}

#[tokio::test]
async fn references_that_double_are_refused() {
    let schema = doubling(15, |next| json!({ "allOf": [next.clone(), next] }));
    let problem = checked_by(&schema, json!({})).await.refused("internal");
    assert!(problem.detail.contains("larger than"), "{problem:#?}");
}

#[tokio::test]
async fn references_that_double_behind_an_encoded_name_are_refused() {
    let loops = json!({ "allOf": [{ "items": { "$ref": "#/$defs/%61" } }, { "items": { "$ref": "#/$defs/%61" } }] });
    let schema = json!({ "$ref": "#/$defs/%61", "$defs": { "%61": true, "a": loops } });
    let deep = (0..40).fold(json!(1), |inside, _| json!([inside]));
    checked_by(&schema, deep).await.refused("internal");
}

#[tokio::test]
async fn keywords_that_look_at_what_their_neighbours_did_may_nest_a_little_but_not_much() {
    for keyword in ["unevaluatedProperties", "unevaluatedItems"] {
        for combinator in ["allOf", "anyOf", "oneOf"] {
            let link = |next: Value| json!({ combinator: [next], keyword: { "type": "integer" } });
            let problem = checked_by(&doubling(15, link), json!({ "a": 1 })).await.refused("internal");
            assert!(problem.detail.contains("larger than"), "{problem:#?}");
            checked_by(&doubling(4, link), json!({ "a": 1 })).await.accepted();
        }
    }
}

#[tokio::test]
async fn a_long_chain_of_references_exhausts_no_stack() {
    for link in [|next: Value| next, |next: Value| json!({ "not": { "not": next } })] {
        let problem = checked_by(&doubling(1000, link), json!({})).await.refused("internal");
        assert!(problem.detail.contains("deeper than"), "{problem:#?}");
        checked_by(&doubling(15, link), json!({})).await.accepted();
    }
}

#[tokio::test]
async fn hundreds_of_patterns_are_refused_before_they_are_compiled() {
    let patterns: serde_json::Map<_, _> = (0..500).map(|nth| (format!(r"\p{{L}}{{2}}{nth}"), json!(true))).collect();
    let problem = checked_by(&json!({ "patternProperties": patterns }), json!({})).await.refused("internal");
    assert!(problem.detail.contains("patterns"), "{problem:#?}");
}

#[tokio::test]
async fn a_schema_and_data_that_are_each_within_bounds_are_so_together() {
    let wide = json!({ "items": { "allOf": vec![json!({ "minimum": 0 }); 3000] } });
    let problem = checked_by(&wide, json!(vec![1; 100_000])).await.refused("too-large");
    assert_eq!(problem.attribute.as_deref(), Some("data"), "{problem:#?}");
    checked_by(&wide, json!(vec![1; 300])).await.accepted();
}

#[tokio::test]
async fn many_items_are_compared_with_each_other_in_no_time() {
    let unique = json!({ "uniqueItems": true });
    checked_by(&unique, json!((0..40_000).collect::<Vec<_>>())).await.accepted();
}

fn names() -> impl Strategy<Value = String> {
    prop_oneof![
        "(?i)ce-(id|source|specversion|type|subject|time|dataschema|data|traceparent|x)",
        "(?i)(content-type|traceparent)",
        "[!#$%&'*+.^_`|~0-9A-Za-z-]{1,12}",
    ]
}

fn values() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        any::<Vec<u8>>(),
        Just(b"application/cloudevents+json".to_vec()),
        Just(b"application/cloudevents-batch+json".to_vec()),
        Just(b"SubmitOrder".to_vec()),
        Just(b"https://shop.example/checkout".to_vec()),
        Just(b"1.0".to_vec()),
        r#"["%\\a-f0-9 .:/;=-]{0,16}"#.prop_map(String::into_bytes),
    ]
}

fn bodies() -> impl Strategy<Value = Vec<u8>> {
    let mutated = |(mut text, at, byte): (Vec<u8>, prop::sample::Index, u8)| {
        let at = at.index(text.len());
        text[at] = byte;
        text
    };
    let sample = submit_order().to_string().into_bytes();
    prop_oneof![
        any::<Vec<u8>>(),
        (Just(sample.clone()), any::<prop::sample::Index>(), any::<u8>()).prop_map(mutated),
        (Just([&b"["[..], &sample, b"]"].concat()), any::<prop::sample::Index>(), any::<u8>()).prop_map(mutated),
        r#"\[?\{("(id|source|type|specversion|data|data_base64|time)":("[^"]{0,6}"|1.0|null|\[\{\}\]),?){0,6}\}?\]?"#
            .prop_map(String::into_bytes),
    ]
}

#[test]
fn arbitrary_requests_are_taken_or_refused_and_nothing_ever_breaks() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
    let api = runtime.block_on(async {
        let api = Api::new();
        api.warm_up().await;
        api
    });
    proptest!(|(
        method in prop_oneof![9 => Just("POST"), 1 => Just("PUT"), 1 => Just("GET")],
        content_type in values(),
        headers in proptest::collection::vec((names(), values()), 0..8),
        body in bodies(),
    )| {
        let content_type = ("content-type".to_owned(), content_type);
        let headers = headers.into_iter().chain([content_type]).collect();
        let answer = runtime.block_on(api.send(Request::raw(headers, body).method(method)));
        prop_assert!(!answer.status.is_server_error(), "{answer:#?}");
    });
}
