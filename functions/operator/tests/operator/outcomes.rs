//! `POST /parked/outcomes`: what became of what was resubmitted or discarded.

use bench::Answer;
use kernel::operation::Status;
use kernel::problem::Problem;
use serde_json::{Value, json};
use store::operations::OperationRecord;
use testkit::TABLES;

use crate::api::{Api, Queued, bad_order, client, good_order, post, second};

async fn outcomes(api: &Api, ids: &[&str]) -> Answer {
    api.send(post("/parked/outcomes", &json!({ "ids": ids }))).await
}

async fn outcome(api: &Api, id: &str) -> Value {
    let told = outcomes(api, &[id]).await.ok().json()["results"][0]["outcome"].clone();
    assert_eq!(api.detail(id).await["outcome"], told, "the message itself says the same");
    told
}

/// What the command handler would make of it.
async fn ends(api: &Api, queued: &Queued, outcome: Status, problem: Option<Problem>) {
    let record = OperationRecord {
        outcome,
        problem: problem.map(|problem| problem.to_json()),
        ..OperationRecord::of(&queued.command, api.now())
    };
    let closed = api.operations.mark_retrying(vec![record]).await.expect("written");
    assert!(closed.is_empty());
}

fn sent(api: &Api) -> Queued {
    Queued::read(api.queued("orders").pop().expect("it was sent").body, "orders")
}

#[tokio::test(start_paused = true)]
async fn a_resubmitted_command_is_followed_to_its_outcome() {
    let rejected = Problem::retrying("the order is closed");
    for (status, problem) in [(Status::Succeeded, None), (Status::Rejected, Some(rejected))] {
        let api = Api::new();
        let id = api.parks(&Queued::order("demo", "O-1", &good_order(), second(0))).await;
        assert_eq!(outcome(&api, &id).await["status"], "waiting");
        api.resubmit(&id, json!({})).await.accepted();
        assert_eq!(outcome(&api, &id).await["status"], "on-its-way");
        ends(&api, &sent(&api), status, problem.clone()).await;
        let mut expected = json!({ "status": status, "at": api.now() });
        if let Some(problem) = problem {
            expected["error"] = json!(problem);
        }
        assert_eq!(outcome(&api, &id).await, expected);
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_parked_again_leads_to_its_new_entry_whatever_became_of_that() {
    let api = Api::new();
    let first = api.parks(&Queued::order("demo", "O-1", &bad_order(), second(0))).await;
    api.resubmit(&first, json!({})).await.accepted();
    let again = api.parks(&sent(&api)).await;
    let expected = json!({ "status": "parked-again", "parked": again });
    assert_eq!(outcome(&api, &first).await, expected);
    assert_eq!(outcome(&api, &again).await["status"], "waiting");
    api.resubmit(&again, json!({ "data": good_order() })).await.accepted();
    assert_eq!(outcome(&api, &first).await, expected);
    ends(&api, &sent(&api), Status::Succeeded, None).await;
    assert_eq!(outcome(&api, &first).await, expected);
    assert_eq!(outcome(&api, &again).await["status"], "succeeded");
}

#[tokio::test(start_paused = true)]
async fn a_discarded_command_is_discarded_in_its_last_parking_alone() {
    let api = Api::new();
    let first = api.parks(&Queued::order("demo", "O-1", &bad_order(), second(0))).await;
    api.resubmit(&first, json!({})).await.accepted();
    let again = api.parks(&sent(&api)).await;
    api.discard(&again, "hopeless").await.ok();
    assert_eq!(outcome(&api, &first).await["status"], "parked-again");
    let discarded = outcome(&api, &again).await;
    assert_eq!((&discarded["status"], &discarded["error"]["detail"]), (&json!("discarded"), &json!("hopeless")));
}

#[tokio::test(start_paused = true)]
async fn a_group_is_counted_by_outcome_with_one_look_up() {
    let api = Api::new();
    let mut ids = Vec::new();
    for nth in 0..6 {
        ids.push(api.parks(&Queued::order("demo", &format!("O-{nth}"), &good_order(), second(nth))).await);
    }
    let resubmitted = post("/parked/resubmit", &json!({ "ids": ids[..5] }));
    api.send(resubmitted).await.ok();
    let sent: Vec<_> = api.queued("orders").into_iter().map(|message| Queued::read(message.body, "orders")).collect();
    ends(&api, &sent[0], Status::Succeeded, None).await;
    ends(&api, &sent[1], Status::Succeeded, None).await;
    ends(&api, &sent[2], Status::Rejected, Some(Problem::retrying("no"))).await;
    api.parks(&sent[3]).await;
    let foreign = api.parks(&Queued::order("other", "O-1", &good_order(), second(9))).await;
    api.aws.forget_calls();
    let asked: Vec<&str> = ids.iter().map(String::as_str).chain([foreign.as_str(), "nonsense"]).collect();
    let told = outcomes(&api, &asked).await.ok().json();
    let expected = json!({ "succeeded": 2, "rejected": 1, "parked-again": 1, "on-its-way": 1, "waiting": 1 });
    assert_eq!(told["counts"], expected, "{told:#}");
    let statuses: Vec<_> = told["results"].as_array().expect("results").iter().map(|told| &told["status"]).collect();
    assert_eq!(statuses, [200, 200, 200, 200, 200, 200, 404, 404], "another tenant's is as absent as what never was");
    assert_eq!(api.aws.count("BatchGetItem"), 1, "{}", api.aws.calls());
}

#[tokio::test(start_paused = true)]
async fn of_what_is_no_command_nothing_tells() {
    let api = Api::new();
    let (event, _) = api.parks_event("demo/orders/O-7").await;
    assert_eq!(api.detail(&event).await["outcome"], json!({ "status": "waiting" }));
    api.resubmit(&event, json!({})).await.accepted();
    assert_eq!(outcome(&api, &event).await, json!({ "status": "unknown" }));
}

/// The record of a command's operation is kept for a time, what was parked for as long as it is needed.
#[tokio::test(start_paused = true)]
async fn without_its_operations_record_a_message_tells_what_it_knows_itself() {
    let api = Api::new();
    let first = api.parks(&Queued::order("demo", "O-1", &bad_order(), second(0))).await;
    api.resubmit(&first, json!({})).await.accepted();
    let again = api.parks(&sent(&api)).await;
    let expected = json!({ "status": "parked-again", "parked": again });
    let mut record = api.aws.items(TABLES.operations).remove(0);

    record["revision"] = json!(0);
    api.aws.insert(TABLES.operations, &record);
    assert_eq!(
        api.detail(&again).await["outcome"],
        json!({ "status": "waiting" }),
        "the record is of a revision before"
    );

    let delete =
        json!({ "TableName": TABLES.operations, "Key": { "operation_key": { "S": record["operation_key"] } } });
    api.aws.database().delete_item(serde_json::from_value(delete).expect("a request")).expect("deleted");
    assert_eq!(api.detail(&first).await["outcome"], expected);
    assert_eq!(api.detail(&again).await["outcome"], json!({ "status": "waiting" }));
}

#[tokio::test]
async fn a_request_that_cannot_be_meant_is_refused() {
    let api = Api::new();
    let too_many = vec!["x"; 101];
    for ids in [&[][..], &too_many] {
        outcomes(&api, ids).await.refused("bad-request");
    }
    for body in ["", "[]", r#"{"ids":"x"}"#, r#"{"ids":["x"],"reason":"x"}"#] {
        let request = post("/parked/outcomes", &json!({})).body(body);
        api.send(request.by(client("root"))).await.refused("bad-request");
    }
}
