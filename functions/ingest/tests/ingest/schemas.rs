//! Types, subjects and data: what is checked, and how a refusal helps.

use serde_json::{Value, json};

use crate::api::{Api, PUBLIC_URL, submit_order, with};
use crate::request::Request;

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

#[tokio::test]
async fn a_schema_that_cannot_be_used_says_why_and_spoils_nothing_else() {
    for (document, why) in [
        (r#"{ "type": "text" }"#, "text"),
        (r#"{ "pattern": "(" }"#, "("),
        (r#"{ "pattern": "(?=look)ahead" }"#, "pattern"),
        ("{", "JSON"),
        (r#"{ "type": "object", "type": "array" }"#, "twice"),
    ] {
        let api = Api::new();
        api.register_schema("demo", "urn:demo:broken", "SubmitOrder", document);
        let event = with(submit_order(), &json!({ "dataschema": "urn:demo:broken" }));
        let problem = api.send(Request::structured(&event)).await.refused("internal");
        assert!(problem.detail.contains("urn:demo:broken cannot be used"), "{problem:#?}");
        println!("{document}: {} ({why})", problem.detail);
        api.send(Request::structured(&submit_order())).await.accepted();
    }
}
