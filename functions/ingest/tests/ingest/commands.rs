//! One command: what is queued, and what the client is told.

use bench::Request;
use kernel::cloud_event::CloudEvent;
use kernel::command::{Command, Principal};
use kernel::operation::{Operation, Status};
use serde_json::{Value, json};

use crate::api::{Api, PUBLIC_URL, queue, submit_order, user, with};
use crate::samples;

#[tokio::test]
async fn every_sample_is_accepted_in_structured_and_in_binary_mode() {
    for (context, event) in samples::commands() {
        for request in [Request::structured(&event), Request::binary(&event)] {
            let api = Api::new();
            let grant = json!({ "principals": ["*"], "types": [event["type"]], "sources": [event["source"]] });
            api.register_tenant("demo", &json!({ "grants": [grant] }));
            let now = api.now();
            let answer = api.send_at(request, now).await.accepted();

            let operation: Operation = serde_json::from_value(answer.json()).expect("an operation");
            assert_eq!(operation.status, Status::Accepted);
            assert_eq!(operation.ty.as_deref(), event["type"].as_str());
            assert_eq!(operation.subject.as_deref(), event["subject"].as_str());
            assert_eq!(operation.accepted_at, now);
            assert_eq!(answer.header("location"), format!("{PUBLIC_URL}/operations/{}", operation.id));
            assert!(answer.header("retry-after").parse::<u32>().is_ok(), "{answer:#?}");

            let (message, command) = api.only_command(context);
            let tenant = kernel::ids::TenantId::parse("demo").expect("a tenant");
            let key = kernel::ids::CommandKey::of(&tenant, command.source(), command.id()).to_string();
            assert_eq!(message.queue_url, queue(context));
            let ty = event["type"].as_str().expect("a type");
            let aggregate_type = if ty.ends_with("Return") { "returns/" } else { "" };
            let subject = event["subject"].as_str().expect("a subject");
            assert_eq!(message.group, Some(format!("demo/{context}/{aggregate_type}{subject}")));
            assert_eq!(message.deduplication_id, Some(key));
        }
    }
}

#[tokio::test]
async fn both_modes_queue_the_same_command() {
    let mut queued = Vec::new();
    for request in [Request::structured(&submit_order()), Request::binary(&submit_order())] {
        let api = Api::new();
        let now = kernel::timestamp::Timestamp::from_millis(1_768_469_400_000);
        let request = request.header("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01");
        api.send_at(request, now).await.accepted();
        queued.push(api.only_command("orders").1);
    }
    assert_eq!(queued[0].to_http_headers(), queued[1].to_http_headers());
}

#[tokio::test]
async fn a_warm_environment_makes_exactly_one_call_for_a_command() {
    let api = Api::new();
    api.warm_up().await;
    for event in [submit_order(), with(submit_order(), &json!({ "id": "another", "subject": null }))] {
        api.aws.forget_calls();
        api.send(Request::structured(&event)).await.accepted();
        assert_eq!(api.aws.count("SendMessage"), 1, "{}", api.aws.calls());
        assert_eq!(api.aws.calls().len(), 1, "{}", api.aws.calls());
    }
}

#[tokio::test]
async fn put_is_as_good_as_post() {
    let api = Api::new();
    api.send(Request::structured(&submit_order()).method("PUT")).await.accepted();
    api.only_command("orders");
}

#[tokio::test]
async fn the_queued_command_opens_as_the_handler_opens_it() {
    let api = Api::new();
    let answer = api.send(Request::structured(&submit_order())).await.accepted();
    let (message, event) = api.only_command("orders");
    let command = Command::open(message.body.as_bytes(), "orders").expect("a command");

    assert_eq!(Some(command.stream.to_string()), message.group);
    assert_eq!(command.receipt.to_string(), answer.operation());
    assert_eq!(command.principal, Principal::read("client:shop-client"));
    assert_eq!(command.schema_version(), Some(1));
    assert_eq!(Some(command.correlation), message.deduplication_id, "without a correlation id, the command key");
    assert_eq!(event.dataschema(), Some("https://api.example/schemas/orders/SubmitOrder/1"));
    let text = |name: &str| event.extension(name).map(ToString::to_string);
    assert_eq!(text("tenantid").as_deref(), Some("demo"));
    assert_eq!(text("authtype").as_deref(), Some("service_account"));
}

#[tokio::test]
async fn a_command_says_the_type_of_its_aggregate_where_that_is_not_the_contexts_first() {
    let order = with(submit_order(), &json!({ "subject": "7", "aggregatetype": "returns" }));
    let data = json!({ "order": "7", "customer": "C-7" });
    let request = with(submit_order(), &json!({ "type": "RequestReturn", "id": "r", "subject": "7", "data": data }));
    for (event, group) in [(order, "demo/orders/7"), (request, "demo/orders/returns/7")] {
        let api = Api::new();
        api.send(Request::structured(&event)).await.accepted();
        let (message, _) = api.only_command("orders");
        let command = Command::open(message.body.as_bytes(), "orders").expect("a command");
        assert_eq!((message.group.as_deref(), command.stream.to_string().as_str()), (Some(group), group));
    }
}

#[tokio::test]
async fn what_the_caller_claims_of_itself_is_overwritten() {
    let forged = json!({ "tenantid": "victim", "operationid": "mine", "authid": "root", "authtype": "app_user",
                         "commandrevision": 7, "repairedby": "user:root" });
    let event = with(submit_order(), &forged);
    for request in [Request::structured(&event), Request::binary(&event)] {
        let api = Api::new();
        let answer = api.send(request.by(user("alice", Some("demo")))).await.accepted();
        let (_, event) = api.only_command("orders");
        let text = |name: &str| event.extension(name).map(ToString::to_string).unwrap_or_default();
        let set = ["tenantid", "operationid", "authid", "authtype"].map(text);
        assert_eq!(set, ["demo", &answer.operation(), "alice", "user"]);
        assert_eq!(answer.json()["principal"], json!({ "id": "alice", "type": "user" }));
        let opened = Command::open(event.to_json().as_bytes(), "orders").expect("a command");
        assert_eq!((opened.revision, opened.repaired_by), (0, None));
    }
}

#[tokio::test]
async fn extensions_and_attributes_of_the_client_stay_with_the_command() {
    let api = Api::new();
    let event = with(submit_order(), &json!({ "correlationid": "cart-7", "priority": 3, "urgent": true }));
    api.send(Request::structured(&event)).await.accepted();
    let (_, queued) = api.only_command("orders");
    let text = |name: &str| queued.extension(name).map(ToString::to_string).unwrap_or_default();
    assert_eq!(["correlationid", "priority", "urgent"].map(text), ["cart-7", "3", "true"]);
    assert_eq!(queued.time(), Some("2026-01-15T09:30:00Z"));
    assert_eq!(queued.source(), "https://shop.example/checkout");
}

#[tokio::test]
async fn data_is_passed_on_byte_for_byte() {
    let data = "{ \"lines\" :[{\"quantity\":2,\"sku\":\"\\u0054EA \\ud83c\\udf75\",\
                \"unitPrice\":{\"amount\":4.50e2,\"currency\":\"EUR\"}} ],\n\t\"customer\":\"C-7\" }";
    let structured = submit_order();
    let text = structured.to_string().replace(&structured["data"].to_string(), data);
    assert!(text.contains(data), "{text}");
    let mut binary = Request::binary(&structured);
    binary.body = data.into();
    for request in [Request::structured(&text), binary] {
        let api = Api::new();
        api.send(request).await.accepted();
        let (message, event) = api.only_command("orders");
        assert_eq!(event.json(), Some(data));
        assert!(message.body.contains(data), "{}", message.body);
    }
}

#[tokio::test]
async fn without_a_subject_the_command_names_its_aggregate_itself() {
    let api = Api::new();
    let event = with(submit_order(), &json!({ "subject": null }));
    let answer = api.send(Request::structured(&event)).await.accepted();
    let (message, _) = api.only_command("orders");
    let key = message.deduplication_id.expect("a deduplication id");
    assert_eq!(message.group, Some(format!("demo/orders/{key}")));
    assert_eq!(answer.json()["subject"], json!(key), "the client learns the id of what it made");
}

#[tokio::test]
async fn the_same_event_again_leads_to_the_same_command() {
    let api = Api::new();
    let first = api.send(Request::structured(&submit_order())).await.accepted();
    let again = api.send_at(Request::binary(&submit_order()), api.now().plus(std::time::Duration::from_mins(1))).await;
    let again = again.accepted();
    let [one, other] = [&first, &again].map(|answer| receipt(&answer.operation()));
    assert_eq!((one.command_key, one.digest), (other.command_key, other.digest));
    assert_ne!(one.accepted_at, other.accepted_at);
    assert_eq!(api.queued("orders").len(), 1, "the queue knows the repeat by its deduplication id");
}

#[tokio::test]
async fn keys_in_another_order_are_the_same_content_and_another_amount_is_not() {
    let api = Api::new();
    let ordered = r#"{"customer":"C-7","lines":[{"sku":"a","quantity":1,"unitPrice":{"amount":1,"currency":"EUR"}}]}"#;
    let shuffled = r#"{ "lines": [{"unitPrice":{"currency":"EUR","amount":1.0},"quantity":1,"sku":"\u0061"}], "customer": "C-7" }"#;
    let other = ordered.replace(r#""amount":1"#, r#""amount":2"#);
    let mut receipts = Vec::new();
    for data in [ordered, shuffled, &other] {
        let mut request = Request::binary(&submit_order());
        request.body = data.into();
        receipts.push(receipt(&api.send(request).await.accepted().operation()));
    }
    assert_eq!(receipts[0].digest, receipts[1].digest);
    assert_ne!(receipts[0].digest, receipts[2].digest);
    assert!(receipts.iter().all(|receipt| receipt.command_key == receipts[0].command_key));
}

#[tokio::test]
async fn a_trace_is_taken_over_or_begun() {
    const HEADER: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    const OF_THE_EVENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let traced = |event: CloudEvent| event.extension("traceparent").map(ToString::to_string).expect("a trace");
    let queued = async |event: Value, header: Option<&str>| {
        let api = Api::new();
        let request = Request::structured(&event);
        let request = match header {
            Some(header) => request.header("traceparent", header),
            None => request,
        };
        api.send(request).await.accepted();
        traced(api.only_command("orders").1)
    };
    assert_eq!(queued(submit_order(), Some(HEADER)).await, HEADER);
    let of_its_own = with(submit_order(), &json!({ "traceparent": OF_THE_EVENT }));
    assert_eq!(queued(of_its_own, Some(HEADER)).await, OF_THE_EVENT, "the event's own is where it all began");
    for header in [None, Some("nonsense"), Some("00-00000000000000000000000000000000-00f067aa0ba902b7-01")] {
        let made = queued(submit_order(), header).await;
        assert!(lambda::trace::id(&made).is_some(), "{made}");
    }
}

fn receipt(operation: &str) -> kernel::receipt::Receipt {
    kernel::receipt::Receipt::read(operation).expect("an operation's id is a receipt")
}
