//! `GET /operations/{id}`: from the receipt to the outcome.

use kernel::operation::{LONGEST_WAY, Status};
use kernel::principal::Principal;
use kernel::problem::Problem;
use serde_json::{Value, json};
use store::operations::OperationRecord;

use crate::api::{Accepted, Api, client, get};

fn path(Accepted { receipt, .. }: &Accepted) -> String {
    format!("/operations/{receipt}")
}

#[tokio::test]
async fn a_genuine_receipt_without_a_record_is_accepted() {
    let api = Api::new();
    let command = api.accepts("demo", "c1", &json!(1), api.now());
    let answer = api.get(path(&command)).await.ok();
    let expected =
        json!({ "id": command.receipt.to_string(), "status": "accepted", "acceptedAt": command.receipt.accepted_at });
    assert_eq!(answer.json(), expected);
    assert!(answer.header("retry-after").parse::<u32>().is_ok(), "{answer:#?}");
    assert_eq!(answer.header("cache-control"), "no-store");
}

#[tokio::test]
async fn a_succeeded_operation_links_what_it_changed_with_the_version() {
    let api = Api::new();
    let command = api.order("demo", "O-7", "C-7", api.now()).await;
    let answer = api.get(path(&command)).await.ok();
    let operation = answer.json();
    assert_eq!(operation["status"], "succeeded");
    assert_eq!(operation["type"], "SubmitOrder");
    assert_eq!(operation["subject"], "O-7");
    assert_eq!(operation["finishedAt"], json!(command.receipt.accepted_at));
    assert_eq!(operation["resource"], json!({ "href": "https://api.example/orders/O-7?version=1", "version": 1 }));
    assert!(answer.headers.get("retry-after").is_none(), "nothing changes any more: {answer:#?}");

    let link = operation["resource"]["href"].as_str().and_then(|href| href.strip_prefix("https://api.example"));
    api.get(link.expect("a link of this API")).await.ok();
}

#[tokio::test]
async fn an_outcome_that_is_not_final_says_when_to_ask_again() {
    let api = Api::new();
    for (outcome, problem) in
        [(Status::Retrying, Problem::unavailable("waiting")), (Status::Parked, Problem::parked("no decoder for it"))]
    {
        let command = api.accepts("demo", outcome.as_str(), &json!(1), api.now());
        api.handles(&command, outcome, Some(problem.clone()), api.now()).await;
        let answer = api.get(path(&command)).await.ok();
        let operation = answer.json();
        assert_eq!(operation["status"], outcome.as_str());
        assert_eq!(operation["error"], json!(problem));
        assert!(operation.get("finishedAt").is_none(), "{operation:#}");
        assert!(answer.header("retry-after").parse::<u32>().is_ok(), "{answer:#?}");
    }
}

#[tokio::test]
async fn a_rejection_is_told_by_the_operation_and_not_by_the_status() {
    let api = Api::new();
    let command = api.accepts("demo", "c1", &json!(1), api.now());
    let rejection = kernel::decider::Rejection::new("already-shipped", "The order is on its way");
    let problem = Problem::rejected("orders", rejection.reason, &rejection.detail);
    api.handles(&command, Status::Rejected, Some(problem), api.now()).await;
    let answer = api.get(path(&command)).await.ok();
    let operation = answer.json();
    assert_eq!(operation["status"], "rejected");
    assert_eq!(operation["error"]["type"], "urn:waybill:problem:orders:already-shipped");
    assert_eq!(operation["error"]["detail"], "The order is on its way");
    assert!(operation.get("resource").is_none() && answer.headers.get("retry-after").is_none(), "{answer:#?}");
}

#[tokio::test]
async fn a_discarded_operation_has_finished_with_the_operators_reason() {
    let api = Api::new();
    let command = api.accepts("demo", "c1", &json!(1), api.now());
    api.handles(&command, Status::Discarded, Some(Problem::discarded("ordered by mistake")), api.now()).await;
    let answer = api.get(path(&command)).await.ok();
    let operation = answer.json();
    assert_eq!(operation["status"], "discarded");
    assert_eq!(operation["error"]["type"], "urn:waybill:problem:discarded");
    assert_eq!(operation["error"]["detail"], "ordered by mistake");
    assert!(operation["finishedAt"].is_string(), "{operation:#}");
    assert!(answer.headers.get("retry-after").is_none(), "nothing changes any more: {answer:#?}");
}

#[tokio::test]
async fn a_retried_operation_says_how_often() {
    let api = Api::new();
    let command = api.accepts("demo", "c1", &json!(1), api.now());
    let problem = Problem::retrying("the store did not answer");
    api.retries(&command, 3, problem.clone(), api.now()).await;
    let operation = api.get(path(&command)).await.ok().json();
    assert_eq!((&operation["status"], &operation["attempt"]), (&json!("retrying"), &json!(3)));
    assert_eq!(operation["error"], json!(problem));
}

#[tokio::test]
async fn an_operation_says_who_sent_its_command_and_that_its_data_was_repaired() {
    let api = Api::new();
    let command = api.accepts("demo", "c1", &json!(1), api.now());
    api.handles_as(&command, |record| record).await;
    let operation = api.get(path(&command)).await.ok().json();
    for unknown in ["principal", "revision", "repaired"] {
        assert!(operation.get(unknown).is_none(), "a release before wrote it: {operation:#}");
    }
    let alice = Some(Principal::read("user:alice"));
    for (revision, repaired_by) in [(0, None), (1, None), (2, Some(Principal::read("user:olga")))] {
        let command = api.accepts("demo", &format!("c-{revision}"), &json!(1), api.now());
        let repaired = repaired_by.is_some();
        let record = |record| OperationRecord { principal: alice.clone(), revision, repaired_by, ..record };
        api.handles_as(&command, record).await;
        let answer = api.get(path(&command)).await.ok();
        let operation = answer.json();
        assert_eq!(operation["principal"], json!({ "id": "alice", "type": "user" }));
        assert_eq!(operation.get("revision"), Some(&json!(revision)).filter(|_| revision > 0), "{operation:#}");
        assert_eq!(operation.get("repaired"), Some(&json!(true)).filter(|_| repaired), "{operation:#}");
        assert!(!answer.text.contains("olga"), "who repaired it is not for its sender: {operation:#}");
    }
}

#[tokio::test]
async fn other_content_under_the_same_id_is_rejected_and_the_first_outcome_stays() {
    let api = Api::new();
    let first = api.accepts("demo", "c1", &json!({ "amount": 1 }), api.now());
    let other = api.accepts("demo", "c1", &json!({ "amount": 2 }), api.now());
    for outcome in [Status::Retrying, Status::Succeeded] {
        let principal = Some(Principal::read("user:alice"));
        api.handles_as(&first, |record| OperationRecord { outcome, principal, ..record }).await;
        assert_eq!(api.get(path(&first)).await.ok().json()["status"], outcome.as_str());
        let answer = api.get(path(&other)).await.ok();
        let operation = answer.json();
        assert_eq!(operation["status"], "rejected", "{operation:#}");
        assert_eq!(operation["error"]["type"], "urn:waybill:problem:id-reused");
        assert_eq!(operation["id"], other.receipt.to_string());
        for of_the_first in ["type", "subject", "resource", "principal", "revision", "repaired"] {
            assert!(operation.get(of_the_first).is_none(), "{operation:#}");
        }
    }
}

#[tokio::test]
async fn every_receipt_of_one_command_leads_to_its_outcome() {
    let api = Api::new();
    let first = api.accepts("demo", "c1", &json!({ "a": 1, "b": 2 }), api.now());
    let later = api.now().plus(std::time::Duration::from_mins(10));
    let again = api.accepts("demo", "c1", &json!({ "b": 2, "a": 1 }), later);
    api.handles(&first, Status::Succeeded, None, api.now()).await;
    let operation = api.get(path(&again)).await.ok().json();
    assert_eq!(operation["status"], "succeeded");
    let accepted_at = &json!(first.receipt.accepted_at);
    assert_eq!((&operation["id"], &operation["acceptedAt"]), (&json!(again.receipt.to_string()), accepted_at));
}

#[tokio::test]
async fn forged_foreign_and_meaningless_ids_are_all_the_same_404() {
    let api = Api::new();
    let own = api.accepts("demo", "c1", &json!(1), api.now()).receipt.to_string();
    let foreign = api.accepts("other", "c1", &json!(1), api.now());
    api.handles(&foreign, Status::Succeeded, None, api.now()).await;
    let forged = if own.ends_with('A') { own[..73].to_owned() + "B" } else { own[..73].to_owned() + "A" };
    let altered = format!("AQ{}{}", if &own[2..3] == "A" { "B" } else { "A" }, &own[3..]);
    let mut bodies: Vec<String> = Vec::new();
    for id in [
        forged.as_str(),
        &altered,
        &foreign.receipt.to_string(),
        "unheard-of",
        "x",
        "%00",
        "..",
        &own[..73],
        &format!("{own}A"),
        &format!("{own}="),
        &own.to_lowercase(),
        &"A".repeat(74),
        &"A".repeat(5000),
        "%F0%9F%98%80",
    ] {
        let answer = api.get(format!("/operations/{id}")).await;
        assert_eq!(answer.status, 404, "{id}: {answer:#?}");
        bodies.push(answer.text);
    }
    bodies.dedup();
    assert_eq!(bodies.len(), 1, "{bodies:#?}");
    let theirs = api.send(get(path(&foreign)).by(client("other-client"))).await.ok();
    assert_eq!(theirs.json()["status"], "succeeded");
}

#[tokio::test(start_paused = true)]
async fn a_receipt_of_a_new_key_opens_where_only_the_old_one_was_known() {
    let api = Api::new();
    let before = api.accepts("demo", "before", &json!(1), api.now());
    api.get(path(&before)).await.ok();
    let after = api.rotates_keys_and_accepts("demo", "after", &json!(1));
    for command in [&before, &after] {
        assert_eq!(api.get(path(command)).await.ok().json()["status"], "accepted");
    }
    api.aws.forget_calls();
    api.get(path(&after)).await.ok();
    assert_eq!(api.aws.count("GetSecretValue"), 0, "{}", api.aws.calls());
}

#[tokio::test]
async fn a_receipt_that_is_long_past_is_forgotten() {
    let api = Api::new();
    let accepted_at = api.now();
    let command = api.accepts("demo", "c1", &json!(1), accepted_at);
    let at_the_end = accepted_at.plus(LONGEST_WAY);
    api.send_at(get(path(&command)), at_the_end).await.ok();
    let after = at_the_end.plus(std::time::Duration::from_millis(1));
    let answer = api.send_at(get(path(&command)), after).await;
    let unknown = api.get("/operations/unknown").await;
    assert_eq!(answer.text, unknown.text);
    answer.refused("not-found");
}

#[tokio::test]
async fn an_operation_costs_one_read() {
    let api = Api::new();
    let command = api.accepts("demo", "c1", &json!(1), api.now());
    api.get(path(&command)).await.ok();
    api.aws.forget_calls();
    api.get(path(&command)).await.ok();
    assert_eq!((api.aws.count("GetItem"), api.aws.calls().len()), (1, 1), "{}", api.aws.calls());
    api.aws.forget_calls();
    api.get("/operations/forged").await.refused("not-found");
    assert_eq!(api.aws.calls().len(), 0, "a forged id is not even looked up\n{}", api.aws.calls());
}

#[tokio::test]
async fn a_problem_of_an_operation_that_cannot_be_read_is_left_out() {
    let api = Api::new();
    let command = api.accepts("demo", "c1", &Value::Null, api.now());
    api.handles(&command, Status::Rejected, None, api.now()).await;
    assert_eq!(api.get(path(&command)).await.ok().json()["status"], "rejected");
}

// Operators

/// The claims of a token that says nothing of reading.
fn operator(id: &str, scope: &str) -> Value {
    json!({ "client_id": "the-console", "sub": id, "username": id, "scope": scope })
}

#[tokio::test]
async fn an_operator_follows_the_operations_they_are_responsible_for_and_no_others() {
    let api = Api::new();
    api.aws.register(&json!({ "registry_key": "operator#user:desk", "entry": "operator", "tenant": "demo" }));
    api.aws.register(&json!({ "registry_key": "operator#user:neighbour", "entry": "operator", "tenant": "other" }));
    api.aws.register(&json!({ "registry_key": "operator#user:root", "entry": "operator" }));
    let command = api.order("demo", "O-7", "C-7", api.now()).await;
    let ask = async |who: &str, query: &str| {
        let request = get(format!("{}{query}", path(&command)));
        api.send(request.by(operator(who, "openid waybill/operate"))).await
    };
    for (who, query) in [("desk", ""), ("desk", "?tenant=demo"), ("root", "?tenant=demo")] {
        assert_eq!(ask(who, query).await.ok().json()["status"], "succeeded", "{who} {query}");
    }
    for (who, query) in [
        ("neighbour", ""),
        ("neighbour", "?tenant=demo"),
        ("desk", "?tenant=other"),
        ("root", "?tenant=other"),
        ("root", "?tenant=%00"),
    ] {
        ask(who, query).await.refused("not-found");
    }
    ask("root", "").await.refused("bad-request");
    ask("root", "?tenant=demo&tenant=other").await.refused("bad-request");
    ask("stranger", "").await.refused("not-permitted");
    ask("stranger", "?tenant=demo").await.refused("not-permitted");
}

#[tokio::test]
async fn who_may_read_is_a_caller_of_their_own_tenant_whatever_else_they_may() {
    let api = Api::new();
    api.aws.register(&json!({ "registry_key": "operator#shop-client", "entry": "operator", "tenant": "other" }));
    let command = api.order("demo", "O-7", "C-7", api.now()).await;
    let mut claims = client("shop-client");
    claims["scope"] = json!("waybill/read waybill/operate");
    api.send(get(path(&command)).by(claims.clone())).await.ok();
    api.send(get(format!("{}?tenant=demo", path(&command))).by(claims)).await.refused("not-found");
    // Without the operators' scope nobody names a tenant.
    api.get(format!("{}?tenant=demo", path(&command))).await.refused("bad-request");
}
