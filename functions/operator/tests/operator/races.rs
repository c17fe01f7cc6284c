//! Two operators at the same message: one acts, the other is told.

use bench::Answer;
use std::time::Duration;

use kernel::operation::Status;
use serde_json::json;
use testkit::Fault;

use crate::api::{Api, Queued, bad_order, client, good_order, post, second};

async fn api_with_one() -> (Api, Queued, String) {
    let api = Api::new();
    let queued = Queued::order("demo", "O-1", &bad_order(), second(0));
    let id = api.parks(&queued).await;
    api.aws.every_call_takes(Duration::from_millis(5));
    (api, queued, id)
}

/// The statuses of two answers, the smaller first.
fn statuses(one: &Answer, other: &Answer) -> [u16; 2] {
    let mut both = [one.status.as_u16(), other.status.as_u16()];
    both.sort_unstable();
    both
}

#[tokio::test(start_paused = true)]
async fn of_two_who_resubmit_at_once_one_does() {
    for delay in [0, 1, 6, 12] {
        let (api, queued, id) = api_with_one().await;
        let repair = |customer: &str, operator: &str| {
            let mut data = good_order();
            data["customer"] = json!(customer);
            post(format!("/parked/{id}/resubmit"), &json!({ "data": data })).by(client(operator))
        };
        let second = async {
            tokio::time::sleep(Duration::from_millis(delay)).await;
            api.send(repair("C-2", "root")).await
        };
        let (one, other) = tokio::join!(api.send(repair("C-1", "desk")), second);
        assert_eq!(statuses(&one, &other), [202, 409], "{one:#?} {other:#?}");
        let (winner, loser) = if one.status == 202 { ("C-1", other) } else { ("C-2", one) };
        let by = if winner == "C-1" { "client:desk" } else { "client:root" };
        let problem = loser.refused("conflict");
        assert!(problem.detail.starts_with(&format!("it was resubmitted by {by} at ")), "{problem:#?}");
        assert!(api.only_queued("orders").body.contains(winner), "what was queued is the winner's");
        assert_eq!(api.detail(&id).await["history"].as_array().map(Vec::len), Some(2));
        assert_eq!(api.operation(&queued).await.status, Status::Retrying);
    }
}

#[tokio::test(start_paused = true)]
async fn of_resubmitting_and_discarding_at_once_one_happens() {
    for delay in [0, 1, 6, 12] {
        let (api, queued, id) = api_with_one().await;
        let resubmit = async {
            tokio::time::sleep(Duration::from_millis(delay)).await;
            api.resubmit(&id, json!({})).await
        };
        let (discarded, resubmitted) = tokio::join!(api.discard(&id, "hopeless"), resubmit);
        let status = api.operation(&queued).await.status;
        if discarded.status == 200 {
            resubmitted.refused("conflict");
            assert!(api.queued("orders").is_empty(), "nothing runs that was given up");
            assert_eq!(status, Status::Discarded);
        } else {
            discarded.refused("conflict");
            resubmitted.accepted();
            api.only_queued("orders");
            assert_eq!(status, Status::Retrying);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_transaction_that_meets_another_is_tried_again() {
    let (api, _, id) = api_with_one().await;
    api.aws.inject(|attempt| match attempt.operation {
        "TransactWriteItems" if attempt.nth <= 4 => Fault::TransactionConflict { item: 0 },
        _ => Fault::None,
    });
    api.resubmit(&id, json!({})).await.accepted();
}

#[tokio::test(start_paused = true)]
async fn groups_that_overlap_share_what_there_is() {
    let api = Api::new();
    let mut ids = Vec::new();
    for nth in 0..20 {
        ids.push(api.parks(&Queued::order("demo", &format!("O-{nth}"), &bad_order(), second(nth))).await);
    }
    api.aws.every_call_takes(Duration::from_millis(5));
    let all = |action: &str, operator: &str, ids: &[String]| {
        let body = json!({ "ids": ids, "reason": "a group" });
        api.send(post(format!("/parked/{action}"), &body).by(client(operator)))
    };
    let backwards: Vec<_> = ids.iter().rev().cloned().collect();
    let (one, other) = tokio::join!(all("resubmit", "desk", &ids), all("discard", "root", &backwards));
    let (one, other) = (one.ok().json(), other.ok().json());
    let mut resubmitted = 0;
    for nth in 0..20 {
        let statuses = [&one["results"][nth]["status"], &other["results"][19 - nth]["status"]];
        assert!(statuses == [202, 409] || statuses == [409, 200], "{statuses:?}");
        resubmitted += usize::from(statuses[0] == 202);
    }
    assert_eq!(api.queued("orders").len(), resubmitted);
    assert!(0 < resubmitted && resubmitted < 20, "they met in the middle: {resubmitted}");
}
