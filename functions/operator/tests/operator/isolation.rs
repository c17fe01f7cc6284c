//! Whose messages an operator sees and acts on.

use serde_json::{Value, json};

use crate::api::{Api, Queued, client, get, good_order, post, second, user};

/// What is parked of `demo`, of `other` and of nobody.
struct Parked {
    demo: String,
    other: String,
    nobody: String,
}

async fn parked(api: &Api) -> Parked {
    Parked {
        demo: api.parks(&Queued::order("demo", "O-1", &good_order(), second(1))).await,
        other: api.parks(&Queued::order("other", "O-2", &good_order(), second(2))).await,
        nobody: api.parks_stranger("orders", "no command at all").await,
    }
}

/// All that these claims are listed.
async fn seen(api: &Api, claims: &Value) -> Vec<String> {
    let list = api.send(get("/parked?queue=orders").by(claims.clone())).await.ok().json();
    list["items"].as_array().expect("items").iter().map(|item| item["id"].as_str().expect("an id").into()).collect()
}

#[tokio::test]
async fn an_operator_sees_their_own_tenants_messages_and_a_platform_operator_all() {
    let api = Api::new();
    let Parked { demo, other, nobody } = parked(&api).await;
    api.aws.register(&json!({ "registry_key": "operator#user:alice", "entry": "operator", "tenant": "demo" }));
    let of_demo = [client("desk"), user("alice", None), user("alice", Some("other"))];
    for claims in of_demo {
        assert_eq!(seen(&api, &claims).await, [demo.as_str()], "{claims}");
        let groups = api.send(get("/parked").by(claims)).await.ok().json();
        assert_eq!((groups["groups"].as_array().map(Vec::len), &groups["groups"][0]["count"]), (Some(1), &json!(1)));
    }
    assert_eq!(seen(&api, &client("neighbour")).await, [other.as_str()]);
    let mut all = seen(&api, &client("root")).await;
    all.sort_unstable();
    let mut expected = [demo, other, nobody];
    expected.sort_unstable();
    assert_eq!(all, expected);
}

#[tokio::test]
async fn what_is_registered_counts_and_not_what_the_token_claims() {
    let api = Api::new();
    let Parked { other, .. } = parked(&api).await;
    api.aws.register(&json!({ "registry_key": "operator#user:alice", "entry": "operator", "tenant": "other" }));
    assert_eq!(seen(&api, &user("alice", Some("demo"))).await, [other.as_str()]);
    // The console's client is not its users.
    api.aws.register(&json!({ "registry_key": "operator#client:the-console", "entry": "operator" }));
    api.send(get("/parked").by(user("bob", Some("demo")))).await.refused("not-permitted");
}

#[tokio::test]
async fn a_user_who_is_called_like_an_operating_client_operates_nothing() {
    let api = Api::new();
    let Parked { demo, .. } = parked(&api).await;
    // As releases before registered them.
    api.aws.register(&json!({ "registry_key": "operator#till", "entry": "operator", "tenant": "demo" }));
    assert_eq!(seen(&api, &client("till")).await, [demo.as_str()]);
    for called_like_a_client in ["till", "desk", "root"] {
        api.send(get("/parked").by(user(called_like_a_client, Some("demo")))).await.refused("not-permitted");
    }
    // Nor does a client that is called like a user.
    api.aws.register(&json!({ "registry_key": "operator#user:alice", "entry": "operator" }));
    for called_like_a_user in ["alice", "user:alice"] {
        api.send(get("/parked").by(client(called_like_a_user))).await.refused("not-permitted");
    }
}

#[tokio::test]
async fn another_tenants_message_is_as_absent_as_what_never_was() {
    let api = Api::new();
    let Parked { other, nobody, .. } = parked(&api).await;
    let before = api.everything();
    // An id as it would be, if it were parked here.
    let absent = Api::new().parks(&Queued::order("demo", "O-9", &good_order(), second(9))).await;
    let expected = api.get(format!("/parked/{absent}")).await;
    assert_eq!(expected.status, 404);
    for id in [&other, &nobody] {
        assert_eq!(api.get(format!("/parked/{id}")).await.text, expected.text);
        assert_eq!(api.resubmit(id, json!({})).await.text, expected.text);
        assert_eq!(api.resubmit(id, json!({ "data": good_order() })).await.text, expected.text);
        assert_eq!(api.discard(id, "not mine").await.text, expected.text);
        let ids = json!({ "ids": [id, absent], "reason": "not mine" });
        for action in ["resubmit", "discard"] {
            let results = api.send(post(format!("/parked/{action}"), &ids)).await.ok().json();
            assert_eq!(results["results"][0]["status"], 404);
            assert_eq!(results["results"][0]["problem"], results["results"][1]["problem"]);
        }
    }
    assert_eq!(api.everything(), before);
}

#[tokio::test]
async fn a_cursor_of_another_tenants_leads_nowhere() {
    let api = Api::new();
    let Parked { other, nobody, .. } = parked(&api).await;
    for cursor in [&other, &nobody] {
        api.get(format!("/parked?queue=orders&cursor={cursor}")).await.refused("bad-request");
    }
    let list = api.send(get(format!("/parked?queue=orders&cursor={other}")).by(client("root"))).await.ok().json();
    assert_eq!(list["items"], json!([]), "it is the last of all");
}

#[tokio::test]
async fn what_names_no_tenant_is_for_platform_operators() {
    let api = Api::new();
    let Parked { nobody, .. } = parked(&api).await;
    api.get(format!("/parked/{nobody}")).await.refused("not-found");
    let detail = api.send(get(format!("/parked/{nobody}")).by(client("root"))).await.ok().json();
    assert_eq!((&detail["message"], &detail["tenant"]), (&json!("no command at all"), &Value::Null));
    let resubmit = post(format!("/parked/{nobody}/resubmit"), &json!({}));
    api.send(resubmit.by(client("root"))).await.accepted();
    assert_eq!(api.only_queued("orders").body, "no command at all");
}

#[tokio::test]
async fn tenants_are_called_as_identity_providers_call_them() {
    let api = Api::new();
    for tenant in ["7b0c3a52-6d1e-4f0a-9d55-3f1c2b7a8e90", "Acme_GmbH", &"T".repeat(64)] {
        let id = api.parks(&Queued::order(tenant, "O-1", &good_order(), second(1))).await;
        let clerk = format!("clerk-{}", tenant.len());
        let key = format!("operator#{clerk}");
        api.aws.register(&json!({ "registry_key": key, "entry": "operator", "tenant": tenant }));
        assert_eq!(seen(&api, &client(&clerk)).await, [id.as_str()]);
    }
}

#[tokio::test(start_paused = true)]
async fn an_operator_whose_entry_cannot_be_read_any_more_sees_nothing() {
    let api = Api::new();
    let Parked { demo, .. } = parked(&api).await;
    assert_eq!(seen(&api, &client("desk")).await, [demo.as_str()]);
    api.aws.register(&json!({ "registry_key": "operator#client:desk", "entry": "operator", "tenant": "no tenant" }));
    tokio::time::advance(std::time::Duration::from_hours(1)).await;
    for _ in 0..2 {
        api.send(get("/parked").by(client("desk"))).await.refused("internal");
    }
    api.aws.register(&json!({ "registry_key": "operator#client:desk", "entry": "operator", "tenant": "demo" }));
    assert_eq!(seen(&api, &client("desk")).await, [demo.as_str()]);
}

#[tokio::test]
async fn a_tenant_reads_why_its_command_failed_and_not_what_broke_in_the_platform() {
    let told = "the platform could not carry it out; its operators see the error";
    let of_the_command = ["unreadable", "not-a-command", "panicked", "hung", "too-large", "unpublishable"];
    let of_the_platform = ["refused-by-store", "attempts-used-up", "too-old", "struck-by-lightning"];
    let api = Api::new();
    for (nth, reason) in of_the_command.into_iter().chain(of_the_platform).enumerate() {
        let queued = Queued::order("demo", &format!("O-{nth}"), &good_order(), second(nth as u64));
        let id = api.parks_because(&queued, reason, "table waybill-guards").await;
        let target = format!("/parked/{id}");
        let (theirs, ours) =
            (api.get(&target).await.ok().json(), api.send(get(&target).by(client("root"))).await.ok().json());
        let expected = if of_the_platform.contains(&reason) { told } else { "table waybill-guards" };
        assert_eq!((&theirs["error"], &ours["error"]), (&json!(expected), &json!("table waybill-guards")), "{reason}");
    }
}
