//! `GET /parked`: groups and lists.

use std::time::Duration;

use kernel::parking::Reason;
use serde_json::{Value, json};

use crate::api::{Api, Queued, bad_order, client, get, good_order, second};

async fn parks_some(api: &Api) -> Vec<String> {
    let mut ids = Vec::new();
    for (index, reason) in ["unreadable", "panicked", "unreadable", "unreadable"].into_iter().enumerate() {
        tokio::time::advance(Duration::from_secs(1)).await;
        let queued = Queued::order("demo", &format!("O-{index}"), &bad_order(), second(index as u64));
        ids.push(api.parks_because(&queued, reason, &format!("error {index}")).await);
    }
    ids
}

#[tokio::test(start_paused = true)]
async fn what_waits_is_grouped_by_what_may_have_one_cause() {
    let api = Api::new();
    let begin = api.now();
    parks_some(&api).await;
    api.parks_event("demo/orders/O-7").await;
    api.parks_stranger("policies", "{}").await;
    let groups = api.send(get("/parked").by(client("root"))).await.ok().json();
    assert_eq!(groups["complete"], true);
    let at = |seconds| json!(begin.plus(Duration::from_secs(seconds)));
    let order = |reason, count, oldest, newest| {
        let title = match reason {
            "unreadable" => "This release cannot read the command",
            _ => "The code that decides the command failed",
        };
        json!({
            "context": "orders", "queue": "orders", "type": "SubmitOrder", "reason": reason, "title": title,
            "count": count, "again": 0, "oldest": at(oldest), "newest": at(newest),
        })
    };
    let stranger = json!({
        "context": null, "queue": "policies", "type": null, "reason": "not-a-command",
        "title": "It is not a command that was accepted here", "count": 1, "again": 0, "oldest": at(4), "newest": at(4),
    });
    let event = json!({
        "context": "orders", "queue": "read_model_updater", "type": "OrderCancelled", "reason": "attempts-used-up",
        "title": "It failed again and again, until its attempts were used up", "count": 1, "again": 0,
        "oldest": at(4), "newest": at(4),
    });
    let groups = groups["groups"].as_array().expect("groups");
    assert_eq!(groups[0], order("unreadable", 3, 1, 4), "the largest first");
    assert_eq!(groups.len(), 4, "{groups:#?}");
    for group in [order("panicked", 1, 2, 2), stranger, event] {
        assert!(groups.contains(&group), "{group:#} is not in {groups:#?}");
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_waits_where_nothing_failed() {
    let api = Api::new();
    assert_eq!(api.get("/parked").await.ok().json(), json!({ "groups": [], "complete": true }));
    assert_eq!(api.get("/parked?queue=orders").await.ok().json(), json!({ "items": [] }));
}

#[tokio::test(start_paused = true)]
async fn a_list_shows_what_is_known_of_each_message() {
    let api = Api::new();
    let queued = Queued::order("demo", "O-1", &bad_order(), second(0));
    let id = api.parks_because(&queued, "unreadable", "the data cannot be read: no lines").await;
    let list = api.get("/parked?context=orders&queue=orders&type=SubmitOrder&reason=unreadable").await.ok().json();
    let now = api.now();
    let expected = json!({ "items": [{
        "id": id, "tenant": "demo", "context": "orders", "queue": "orders", "type": "SubmitOrder", "subject": "O-1",
        "reason": "unreadable", "title": "This release cannot read the command", "error": "the data cannot be read: no lines", "attempts": 0, "revision": 0,
        "operation": queued.operation(), "firstFailedAt": now, "firstParkedAt": now, "parkedAt": now,
    }] });
    assert_eq!(list, expected);
}

#[tokio::test(start_paused = true)]
async fn filters_choose_and_an_empty_one_asks_for_what_has_none() {
    let api = Api::new();
    let ids = parks_some(&api).await;
    let (event, _) = api.parks_event("demo/orders/O-7").await;
    let stranger = api.parks_stranger("orders", "{}").await;
    let unreadable = [&ids[0], &ids[2], &ids[3]];
    assert_eq!(api.ids("reason=unreadable").await.iter().collect::<Vec<_>>(), unreadable, "the oldest first");
    assert_eq!(api.ids("reason=unreadable&type=CancelOrder").await, [""; 0]);
    assert_eq!(api.ids("type=OrderCancelled").await, [event.as_str()]);
    assert_eq!(api.ids("queue=read_model_updater").await, [event.as_str()]);
    assert_eq!(api.ids("type=").await, [stranger.as_str()]);
    assert_eq!(api.ids("context=").await, [stranger.as_str()]);
    assert_eq!(api.ids("context=orders").await.len(), 5);
    assert_eq!(api.ids("context=policies").await, [""; 0]);
    assert_eq!(api.ids("queue=policies").await, [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_list_is_read_part_by_part_over_all_queues_and_tenants() {
    let api = Api::new();
    parks_some(&api).await;
    for stream in ["demo/orders/O-7", "other/orders/O-7", "demo/orders/O-8"] {
        api.parks_event(stream).await;
    }
    api.parks(&Queued::order("other", "O-9", &good_order(), second(0))).await;
    let all = api.ids("context=orders").await;
    assert_eq!(all.len(), 8);
    for limit in 1..=9 {
        let mut read = Vec::new();
        let mut cursor = String::new();
        for part in 1.. {
            let target = format!("/parked?context=orders&limit={limit}{cursor}");
            let list = api.send(get(target).by(client("root"))).await.ok().json();
            let items = list["items"].as_array().expect("items");
            read.extend(items.iter().map(|item| item["id"].as_str().expect("an id").to_owned()));
            let Some(next) = list["next"].as_str() else {
                assert_eq!(part, 8_usize.div_ceil(limit), "the last part is not an empty one");
                break;
            };
            assert_eq!(items.len(), limit);
            cursor = format!("&cursor={next}");
        }
        assert_eq!(read, all, "in parts of {limit}");
    }
}

#[tokio::test(start_paused = true)]
async fn reading_on_is_not_put_off_by_what_was_acted_on_meanwhile() {
    let api = Api::new();
    let ids = parks_some(&api).await;
    let first = api.get("/parked?queue=orders&limit=2").await.ok().json();
    let next = first["next"].as_str().expect("more");
    for id in &ids[..2] {
        api.discard(id, "done with").await.ok();
    }
    let rest = api.get(format!("/parked?queue=orders&limit=2&cursor={next}")).await.ok().json();
    let rest: Vec<&Value> = rest["items"].as_array().expect("items").iter().map(|item| &item["id"]).collect();
    assert_eq!(rest, [&json!(ids[2]), &json!(ids[3])]);
}

#[tokio::test(start_paused = true)]
async fn more_than_a_page_of_the_index_is_counted_and_listed() {
    let api = Api::new();
    for index in 0..250 {
        let queued = Queued::order("demo", &format!("O-{index}"), &bad_order(), second(index));
        let reason = if index == 249 { "panicked" } else { "unreadable" };
        let message = store::parked::ParkedMessage::new(
            store::parked::Summary {
                parked_key: "demo#orders".to_owned(),
                id: store::parked::ParkedMessage::id(second(index), queued.key()),
                queue: "orders".to_owned(),
                tenant: Some(queued.command.stream.tenant.clone()),
                context: Some("orders".to_owned()),
                message_type: Some("SubmitOrder".to_owned()),
                subject: None,
                operation: None,
                reason: Reason::of(reason),
                error: "e".repeat(2000),
                revision: 0,
                attempts: 0,
                first_failed_at: api.now(),
                first_parked_at: api.now(),
                parked_at: api.now(),
            },
            queued.body,
        );
        api.parked.park(&message).await.expect("parked");
    }
    let groups = api.get("/parked").await.ok().json();
    assert_eq!((&groups["groups"][0]["count"], &groups["groups"][1]["count"]), (&json!(249), &json!(1)));
    let list = api.get("/parked?reason=panicked&limit=1").await.ok().json();
    assert_eq!((list["items"].as_array().map(Vec::len), &list["next"]), (Some(1), &Value::Null));
}

#[tokio::test(start_paused = true)]
async fn what_was_parked_before_is_marked_in_groups_and_lists() {
    let api = Api::new();
    parks_some(&api).await;
    let queued = Queued::order("demo", "O-9", &good_order(), second(9));
    let first = api.parks(&queued).await;
    api.resubmit(&first, json!({})).await.accepted();
    let again = api.parks(&Queued::read(api.only_queued("orders").body, "orders")).await;
    let groups = api.get("/parked").await.ok().json();
    assert_eq!((&groups["groups"][0]["count"], &groups["groups"][0]["again"]), (&json!(4), &json!(1)), "{groups:#}");
    let list = api.get("/parked?reason=unreadable").await.ok().json();
    let items = list["items"].as_array().expect("items");
    let marked: Vec<_> = items.iter().filter(|item| item["revision"] != 0).map(|item| &item["id"]).collect();
    assert_eq!(marked, [&json!(again)]);
}

#[tokio::test(start_paused = true)]
async fn no_more_is_counted_than_is_asked_for() {
    let api = Api::new();
    parks_some(&api).await;
    for (at_most, count, complete) in [(1, 1, false), (3, 3, false), (4, 4, true), (50_000, 4, true)] {
        let groups = api.get(format!("/parked?atMost={at_most}")).await.ok().json();
        let counted = groups["groups"].as_array().expect("groups").iter().filter_map(|group| group["count"].as_u64());
        assert_eq!((counted.sum::<u64>(), &groups["complete"]), (count, &json!(complete)), "{at_most}: {groups:#}");
    }
    api.aws.forget_calls();
    api.get("/parked").await.ok();
    let queues = messaging::Queues::new("").pairs(catalog::CONTEXTS.iter().map(|context| context.name)).len();
    let calls = api.aws.calls();
    let asked = calls.iter().filter(|call| call.operation == "Query").count();
    // And one for tenants' own queues.
    assert!(asked <= queues + 1, "a call a queue, for consoles ask all day: {asked}\n{calls}");
    for wrong in ["0", "50001", "all", "-1"] {
        api.get(format!("/parked?atMost={wrong}")).await.refused("bad-request");
    }
    api.get("/parked?queue=orders&atMost=5").await.refused("bad-request");
}

#[tokio::test(start_paused = true)]
async fn parameters_that_cannot_be_meant_are_refused() {
    let api = Api::new();
    for (query, word) in [
        ("limit=20", "say which"),
        ("queue=orders&limit=0", "limit"),
        ("queue=orders&limit=101", "limit"),
        ("queue=orders&limit=many", "limit"),
        ("queue=orders&cursor=", "cursor"),
        ("queue=orders&cursor=nonsense", "cursor"),
        ("queue=orders&reasn=unreadable", "reasn"),
        ("queue=orders&queue=policies", "twice"),
        ("tenant=other", "tenant"),
        ("queue=nowhere", "queue is one of"),
        ("queue=", "queue is one of"),
        ("context=Orders", "context is one of"),
    ] {
        let problem = api.get(format!("/parked?{query}")).await.refused("bad-request");
        assert!(problem.detail.contains(word), "{query}: {problem:#?}");
    }
}
