//! Types, subjects and data: what is checked, and how a refusal helps.

use bench::Request;
use serde_json::{Value, json};

use crate::api::{Api, PUBLIC_URL, submit_order, with};

/// A schema of the tenant's own: orders of one line only.
const SMALL_ORDERS: &str = "https://demo.example/schemas/small-order";
const AT_MOST_ONE_LINE: &str = r#"{ "properties": { "lines": { "maxItems": 1 } } }"#;

async fn refusal(event: Value, kind: &str) -> kernel::problem::Problem {
    let api = Api::new();
    let problem = api.send(Request::structured(&event)).await.refused(kind);
    api.assert_nothing_queued();
    problem
}

#[tokio::test]
async fn a_type_that_no_context_takes_is_unknown() {
    for ty in ["LaunchRocket", "submitorder", "OrderSubmitted"] {
        let problem = refusal(with(submit_order(), &json!({ "type": ty })), "unknown-type").await;
        assert_eq!((problem.status, problem.attribute.as_deref()), (422, Some("type")), "{problem:#?}");
    }
}

#[tokio::test]
async fn a_schema_that_nobody_registered_is_unknown() {
    for uri in [
        "https://elsewhere.example/schemas/orders/SubmitOrder/1",
        "https://api.example/schemas/orders/SubmitOrder/2",
        "https://api.example/schemas/orders/SubmitOrder/one",
        "https://api.example/schemas/orders/SubmitOrder/",
        "https://api.example/schemas/orders/CancelOrder/1",
        "https://api.example/schemas/policies/SubmitOrder/1",
        "urn:example:order",
    ] {
        let problem = refusal(with(submit_order(), &json!({ "dataschema": uri })), "unknown-schema").await;
        assert_eq!((problem.status, problem.attribute.as_deref()), (422, Some("dataschema")), "{problem:#?}");
    }
}

#[tokio::test]
async fn the_current_schema_may_be_named() {
    let api = Api::new();
    let uri = format!("{PUBLIC_URL}/schemas/orders/SubmitOrder/1");
    api.send(Request::structured(&with(submit_order(), &json!({ "dataschema": uri })))).await.accepted();
    assert_eq!(api.only_command("orders").1.dataschema(), Some(uri.as_str()));
}

#[tokio::test]
async fn invalid_data_is_refused_with_a_pointer_to_each_fault() {
    let data = json!({
        "customer": "C 7",
        "lines": [{ "sku": "", "quantity": 0, "unitPrice": { "amount": 4.5, "currency": "eur" } }],
        "coupon": "a secret",
    });
    let problem = refusal(with(submit_order(), &json!({ "data": data })), "invalid-data").await;
    let mut pointers: Vec<_> = problem.errors.iter().filter_map(|fault| fault.pointer.as_deref()).collect();
    pointers.sort_unstable();
    let expected = [
        "",
        "/customer",
        "/lines/0/quantity",
        "/lines/0/sku",
        "/lines/0/unitPrice/amount",
        "/lines/0/unitPrice/currency",
    ];
    assert_eq!(pointers, expected, "{problem:#?}");
    assert_eq!((problem.status, problem.attribute.as_deref()), (422, Some("data")));
    assert!(!problem.to_json().contains("a secret"), "values are not repeated: {problem:#?}");
}

#[tokio::test]
async fn a_thousand_faults_are_not_all_listed() {
    let line = json!({ "sku": "", "quantity": 0 });
    let data = json!({ "customer": "C-7", "lines": vec![line; 400] });
    let problem = refusal(with(submit_order(), &json!({ "data": data })), "invalid-data").await;
    assert_eq!(problem.errors.len(), 20);
}

#[tokio::test]
async fn a_command_has_data() {
    for change in [json!({ "data": null }), json!({ "data": null, "datacontenttype": null })] {
        let problem = refusal(with(submit_order(), &change), "invalid-data").await;
        assert_eq!(problem.attribute.as_deref(), Some("data"));
    }
    let api = Api::new();
    let mut request = Request::binary(&submit_order());
    request.body.clear();
    api.send(request).await.refused("invalid-data");
    let mut event = submit_order();
    event["data"] = Value::Null;
    api.send(Request::structured(&event)).await.refused("invalid-data");
    api.assert_nothing_queued();
}

#[tokio::test]
async fn data_that_is_not_json_is_not_supported() {
    let api = Api::new();
    let text = json!({ "datacontenttype": "text/plain", "data": "two pots of tea" });
    let problem = api.send(Request::structured(&with(submit_order(), &text))).await.refused("unsupported-media-type");
    assert_eq!(problem.attribute.as_deref(), Some("datacontenttype"));
    let mut xml = Request::binary(&with(submit_order(), &json!({ "datacontenttype": "application/xml" })));
    xml.body = b"<order/>".to_vec();
    api.send(xml).await.refused("unsupported-media-type");
    api.assert_nothing_queued();
}

#[tokio::test]
async fn json_under_another_name_is_json() {
    for media_type in ["application/vnd.shop.order+json", "text/json; charset=UTF-8", "APPLICATION/JSON"] {
        let event = with(submit_order(), &json!({ "datacontenttype": media_type }));
        for request in [Request::structured(&event), Request::binary(&event)] {
            let api = Api::new();
            api.send(request).await.accepted();
            assert_eq!(api.only_command("orders").1.datacontenttype(), Some(media_type));
        }
    }
}

#[tokio::test]
async fn data_in_base64_is_json_all_the_same() {
    use base64::Engine as _;
    let api = Api::new();
    let data = submit_order()["data"].to_string();
    let encoded = base64::engine::general_purpose::STANDARD.encode(&data);
    let event = with(submit_order(), &json!({ "data": null, "data_base64": encoded }));
    api.send(Request::structured(&event)).await.accepted();
    assert_eq!(api.only_command("orders").1.json(), Some(data.as_str()));
}

#[tokio::test]
async fn a_subject_that_cannot_name_an_aggregate_is_refused() {
    for subject in ["O 1001", "orders/1001", "Ö-1001", "O#1001", &"x".repeat(65)] {
        let problem = refusal(with(submit_order(), &json!({ "subject": subject })), "invalid-subject").await;
        assert_eq!((problem.status, problem.attribute.as_deref()), (422, Some("subject")), "{problem:#?}");
    }
    let api = Api::new();
    let event = with(submit_order(), &json!({ "subject": "x".repeat(64) }));
    api.send(Request::structured(&event)).await.accepted();
}

#[tokio::test]
async fn data_with_two_meanings_is_refused() {
    for (data, why) in [
        (r#"{"customer":"C-7","customer":"C-8","lines":[]}"#, "twice"),
        (r#"{"customer":"\ud800"}"#, "JSON"),
        (r#"{"amount":1e999}"#, "JSON"),
    ] {
        let api = Api::new();
        let mut request = Request::binary(&submit_order());
        request.body = data.into();
        let problem = api.send(request).await.refused("malformed-event");
        assert_eq!(problem.attribute.as_deref(), Some("data"), "{data}: {why}: {problem:#?}");
        api.assert_nothing_queued();
    }
}

/// `1e-400` would be a price of 0, and `1.0000000000000000001` a quantity of 1.
#[tokio::test]
async fn a_number_that_would_be_read_as_another_is_refused_with_a_pointer_to_it() {
    let api = Api::new();
    for (from, to, pointer) in [
        (r#""quantity":2"#, r#""quantity":1.0000000000000000001"#, "/lines/0/quantity"),
        (r#""amount":450"#, r#""amount":1e-400"#, "/lines/0/unitPrice/amount"),
        (r#""amount":450"#, r#""amount":18446744073709551617"#, "/lines/0/unitPrice/amount"),
    ] {
        let event = submit_order().to_string();
        let inexact = event.replacen(from, to, 1);
        assert_ne!(inexact, event, "{from}");
        let problem = api.send(Request::structured(&inexact)).await.refused("invalid-data");
        let pointers: Vec<_> = problem.errors.iter().map(|fault| fault.pointer.as_deref()).collect();
        assert_eq!(pointers, [Some(pointer)], "{problem:#?}");
        assert!(problem.detail.contains("cannot be read exactly"), "{problem:#?}");
    }
    api.assert_nothing_queued();
}

#[tokio::test]
async fn numbers_may_be_written_in_any_way_that_is_read_exactly() {
    let api = Api::new();
    for (nth, quantity) in ["2.0", "2e0", "20e-1", "0.2E+1"].into_iter().enumerate() {
        let event = with(submit_order(), &json!({ "id": format!("n{nth}") })).to_string();
        api.send(Request::structured(&event.replacen(r#""quantity":2"#, &format!(r#""quantity":{quantity}"#), 1)))
            .await
            .accepted();
    }
}

/// SQS refuses them, and would refuse them again at every retry of the client's.
#[tokio::test]
async fn text_that_no_queue_can_carry_is_refused_and_not_called_an_outage() {
    for character in ["\u{fffe}", "\u{ffff}", "\\ufffe", "\\uFFFF"] {
        let api = Api::new();
        let mut request = Request::binary(&submit_order());
        request.body = submit_order()["data"].to_string().replace("POT-CAST-IRON", character).into();
        let problem = api.send(request).await.refused("malformed-event");
        assert_eq!(problem.attribute.as_deref(), Some("data"), "{character}: {problem:#?}");
        api.assert_nothing_queued();
    }
    let api = Api::new();
    let mut request = Request::binary(&submit_order());
    request.body = submit_order()["data"].to_string().replace("POT-CAST-IRON", "\u{7f}\u{80}\u{fdd0}\u{1f600}").into();
    api.send(request).await.accepted();
}

#[tokio::test]
async fn a_tenants_own_schema_narrows_what_the_context_takes() {
    let api = Api::new();
    api.register_schema("demo", SMALL_ORDERS, "SubmitOrder", AT_MOST_ONE_LINE);
    let named = json!({ "dataschema": SMALL_ORDERS });
    let two_lines = with(submit_order(), &named);
    let problem = api.send(Request::structured(&two_lines)).await.refused("invalid-data");
    assert_eq!(problem.errors[0].pointer.as_deref(), Some("/lines"));

    let mut nonsense = two_lines.clone();
    nonsense["data"] = json!({ "lines": [], "unheard": "of" });
    api.send(Request::structured(&nonsense)).await.refused("invalid-data");

    let mut one_line = two_lines;
    one_line["data"]["lines"].as_array_mut().expect("lines").truncate(1);
    api.send(Request::structured(&one_line)).await.accepted();
    let (_, command) = api.only_command("orders");
    let current = format!("{PUBLIC_URL}/schemas/orders/SubmitOrder/1");
    assert_eq!(command.dataschema(), Some(current.as_str()), "what the handler decodes by");
}

#[tokio::test]
async fn a_tenants_own_schema_is_for_its_type_and_its_tenant() {
    let api = Api::new();
    api.register_schema("neighbour", SMALL_ORDERS, "SubmitOrder", AT_MOST_ONE_LINE);
    api.register_schema("demo", "urn:demo:cancel", "CancelOrder", "true");
    for uri in [SMALL_ORDERS, "urn:demo:cancel"] {
        let event = with(submit_order(), &json!({ "dataschema": uri }));
        api.send(Request::structured(&event)).await.refused("unknown-schema");
    }
    api.assert_nothing_queued();
}

/// Orders that the context takes: of two lines, and of one.
fn two_orders() -> [Value; 2] {
    let mut one_line = with(submit_order(), &json!({ "id": "one line" }));
    one_line["data"]["lines"].as_array_mut().expect("lines").truncate(1);
    [submit_order(), one_line]
}

#[tokio::test]
async fn what_a_tenant_has_registered_is_checked_whoever_names_it() {
    let bundled = format!("{PUBLIC_URL}/schemas/orders/SubmitOrder/1");
    for named in [json!({}), json!({ "dataschema": bundled }), json!({ "dataschema": SMALL_ORDERS })] {
        let api = Api::new();
        api.register_schema("demo", SMALL_ORDERS, "SubmitOrder", AT_MOST_ONE_LINE);
        let [two_lines, one_line] = two_orders().map(|event| with(event, &named));
        for request in [Request::structured(&two_lines), Request::binary(&two_lines)] {
            let problem = api.send(request).await.refused("invalid-data");
            assert_eq!(problem.errors[0].pointer.as_deref(), Some("/lines"), "{named}: {problem:#?}");
        }
        api.send(Request::batch(&[two_lines, one_line.clone()])).await.refused("invalid-batch");
        api.assert_nothing_queued();
        api.send(Request::structured(&one_line)).await.accepted();
    }
}

#[tokio::test]
async fn of_several_schemas_the_one_that_is_named_counts_or_else_all() {
    const LARGE_ORDERS: &str = "urn:demo:large-order";
    let api = Api::new();
    api.register_schema("demo", SMALL_ORDERS, "SubmitOrder", AT_MOST_ONE_LINE);
    api.register_schema("demo", LARGE_ORDERS, "SubmitOrder", r#"{ "properties": { "lines": { "minItems": 2 } } }"#);
    api.register_schema("demo", "urn:demo:cancel", "CancelOrder", "false");
    let [two_lines, one_line] = two_orders();
    for event in [&two_lines, &one_line] {
        api.send(Request::structured(event)).await.refused("invalid-data");
    }
    let named = |event: Value, uri: &str| Request::structured(&with(event, &json!({ "dataschema": uri })));
    api.send(named(two_lines.clone(), SMALL_ORDERS)).await.refused("invalid-data");
    api.send(named(one_line.clone(), LARGE_ORDERS)).await.refused("invalid-data");
    api.send(named(two_lines, LARGE_ORDERS)).await.accepted();
    api.send(named(one_line, SMALL_ORDERS)).await.accepted();
}

#[tokio::test]
async fn what_a_tenant_has_registered_narrows_and_never_widens() {
    let api = Api::new();
    api.register_schema("demo", SMALL_ORDERS, "SubmitOrder", "true");
    let nonsense = with(submit_order(), &json!({ "data": { "lines": [], "unheard": "of" } }));
    for event in [nonsense.clone(), with(nonsense, &json!({ "dataschema": SMALL_ORDERS }))] {
        api.send(Request::structured(&event)).await.refused("invalid-data");
    }
    api.send(Request::structured(&submit_order())).await.accepted();
}

/// What it would forbid, nobody knows.
#[tokio::test]
async fn a_schema_that_cannot_be_used_says_why_refuses_its_type_and_spoils_no_other() {
    for (document, why) in [
        (r#"{ "type": "text" }"#, "text"),
        (r#"{ "pattern": "(" }"#, "("),
        (r#"{ "pattern": "(?=look)ahead" }"#, "look-around"),
        (r#"{ "items": [{ "type": "string" }] }"#, "JSON Schema 2020-12"),
        (r#"{ "$schema": "http://json-schema.org/draft-07/schema#" }"#, "JSON Schema 2020-12"),
        (r#"{ "properties": { "a": { "exclusiveMinimum": true } } }"#, "JSON Schema 2020-12"),
        ("{", "JSON"),
        (r#"{ "type": "object", "type": "array" }"#, "twice"),
    ] {
        let api = Api::new();
        api.register_schema("demo", "urn:demo:broken", "SubmitOrder", document);
        for event in [with(submit_order(), &json!({ "dataschema": "urn:demo:broken" })), submit_order()] {
            let problem = api.send(Request::structured(&event)).await.refused("internal");
            assert!(problem.detail.contains("urn:demo:broken cannot be used"), "{problem:#?}");
            assert!(problem.detail.contains(why), "{problem:#?}");
        }
        api.send(Request::structured(&crate::api::bind_policy())).await.accepted();
    }
}

#[tokio::test]
async fn names_and_data_in_a_schema_are_no_keywords_of_it() {
    for document in [
        r#"{ "type": "object", "properties": { "$id": { "type": "string" }, "$ref": { "type": "string" } } }"#,
        r#"{ "not": { "const": { "$ref": "a" } } }"#,
        r#"{ "default": { "$id": "a" }, "examples": [{ "$dynamicRef": "a" }], "not": { "enum": [{ "$id": "a" }] } }"#,
    ] {
        let api = Api::new();
        api.register_schema("demo", SMALL_ORDERS, "SubmitOrder", document);
        api.send(Request::structured(&submit_order())).await.accepted();
    }
}
