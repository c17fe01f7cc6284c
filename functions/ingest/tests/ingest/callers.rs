//! Who may send what.

use bench::Request;
use serde_json::{Value, json};

use crate::api::{Api, client, submit_order, user, with};

fn order() -> Request {
    Request::structured(&submit_order())
}

/// Demo's settings are this one grant.
fn granting(principals: &[&str], types: &[&str], sources: &[&str]) -> Api {
    let api = Api::without_tenants();
    api.register_client("shop-client", "demo");
    let grant = json!({ "principals": principals, "types": types, "sources": sources });
    api.register_tenant("demo", &json!({ "grants": [grant] }));
    api
}

#[tokio::test]
async fn without_verified_claims_nobody_is_let_in() {
    let api = Api::new();
    api.send(order().without_claims()).await.refused("unauthenticated");
    for claims in [json!({}), json!({ "scope": "waybill/submit" }), json!({ "client_id": "", "sub": "" })] {
        api.send(order().by(claims)).await.refused("unauthenticated");
    }
    api.assert_nothing_queued();
}

#[tokio::test]
async fn a_token_without_the_scope_of_submitting_submits_nothing() {
    let api = Api::new();
    for scope in ["", "openid", "waybill/read waybill/operate", "waybill/submitter"] {
        let mut claims = client("shop-client");
        claims["scope"] = json!(scope);
        let problem = api.send(order().by(claims)).await.refused("not-permitted");
        assert!(problem.detail.contains("waybill/submit"), "{problem:#?}");
    }
    api.assert_nothing_queued();
}

#[tokio::test]
async fn a_client_of_no_tenant_is_told_so() {
    let api = Api::new();
    let problem = api.send(order().by(client("a-stranger"))).await.refused("not-permitted");
    assert!(problem.detail.contains("tenant"), "{problem:#?}");
    api.register_client("of-nowhere", "nowhere");
    let problem = api.send(order().by(client("of-nowhere"))).await.refused("not-permitted");
    assert!(problem.detail.contains("settings"), "{problem:#?}");
    api.assert_nothing_queued();
}

#[tokio::test]
async fn a_machine_client_belongs_to_the_tenant_it_is_registered_with() {
    let api = Api::new();
    api.register_client("other-client", "other");
    api.register_tenant(
        "other",
        &json!({ "grants": [{ "principals": ["*"], "types": ["*"], "sources": ["https://shop.example/"] }] }),
    );
    api.send(order()).await.accepted();
    api.send(order().by(client("other-client"))).await.accepted();
    let groups: Vec<_> = api.queued("orders").into_iter().filter_map(|message| message.group).collect();
    assert_eq!(groups, ["demo/orders/O-1001", "other/orders/O-1001"], "the same event of two tenants is two commands");
}

#[tokio::test]
async fn a_user_belongs_to_the_tenant_of_their_token() {
    let api = Api::new();
    api.send(order().by(user("alice", Some("demo")))).await.accepted();
    let (message, command) = api.only_command("orders");
    assert_eq!(message.group.as_deref(), Some("demo/orders/O-1001"));
    let text = |name: &str| command.extension(name).map(ToString::to_string);
    assert_eq!((text("authid").as_deref(), text("authtype").as_deref()), (Some("alice"), Some("user")));
}

#[tokio::test]
async fn a_user_without_a_tenant_claim_does_not_get_in_on_their_applications_ticket() {
    let api = Api::new();
    api.register_client("the-web-application", "demo");
    let problem = api.send(order().by(user("bob", None))).await.refused("not-permitted");
    assert!(problem.detail.contains("claim custom:tenant"), "{problem:#?}");
    api.assert_nothing_queued();
}

#[tokio::test]
async fn a_correlation_id_is_no_place_to_hide_a_payload() {
    let api = Api::new();
    let of_length =
        |length| Request::structured(&with(submit_order(), &json!({ "correlationid": "c".repeat(length) })));
    api.send(of_length(128)).await.accepted();
    let problem = api.send(of_length(129)).await.refused("malformed-event");
    assert_eq!(problem.attribute.as_deref(), Some("correlationid"));
}

#[tokio::test]
async fn a_claim_that_is_no_tenants_id_is_what_the_refusal_is_about() {
    let api = Api::new();
    for tenant in ["demo/orders", "demo#x", "demo.example", "d\u{e9}mo", &"x".repeat(65)] {
        let problem = api.send(order().by(user("alice", Some(tenant)))).await.refused("not-permitted");
        let rule = "claim custom:tenant must be a tenant's id: 1 to 64 letters, digits, hyphens or underscores";
        assert!(problem.detail.contains(rule) && !problem.detail.contains("registered"), "{problem:#?}");
    }
    let problem = api.send(order().by(user("alice", Some("nowhere")))).await.refused("not-permitted");
    assert!(problem.detail.contains("settings"), "{problem:#?}");
    api.assert_nothing_queued();
}

#[tokio::test]
async fn tenants_are_called_as_identity_providers_call_them() {
    let api = Api::new();
    for tenant in ["7b0c3a52-6d1e-4f0a-9d55-3f1c2b7a8e90", "Acme_GmbH", "org_Kx9fQ2mZ7tLwP4vB", &"T".repeat(64)] {
        let grants = json!([{ "principals": ["*"], "types": ["*"], "sources": ["https://shop.example/"] }]);
        api.register_tenant(tenant, &json!({ "grants": grants }));
        let event = with(submit_order(), &json!({ "subject": "a".repeat(64) }));
        api.send(Request::structured(&event).by(user("alice", Some(tenant)))).await.accepted();
        let message = api.queued("orders").pop().expect("a message");
        let group = message.group.expect("a group");
        assert!(group.starts_with(&format!("{tenant}/")) && group.len() <= 128, "{group}");
        let command = kernel::command::Command::open(message.body.as_bytes(), "orders").expect("a command");
        assert_eq!(command.stream.tenant.as_str(), tenant);
    }
    let other_case = api.send(order().by(user("alice", Some("acme_gmbh")))).await.refused("not-permitted");
    assert!(other_case.detail.contains("settings"), "another tenant: {other_case:#?}");
}

#[tokio::test]
async fn the_issuer_may_name_the_client_azp() {
    let api = Api::new();
    api.send(order().by(json!({ "azp": "shop-client", "sub": "shop-client", "scope": "waybill/submit" })))
        .await
        .accepted();
}

#[tokio::test]
async fn without_any_grant_nothing_may_be_sent() {
    for settings in [json!({}), json!({ "grants": [] })] {
        let api = Api::without_tenants();
        api.register_client("shop-client", "demo");
        api.register_tenant("demo", &settings);
        let problem = api.send(order()).await.refused("not-permitted");
        assert!(problem.detail.contains("SubmitOrder from https://shop.example/checkout"), "{problem:#?}");
        api.assert_nothing_queued();
    }
}

#[tokio::test]
async fn principal_type_and_source_must_all_be_granted() {
    let shop = "https://shop.example/";
    let permitted = async |api: Api, event: Value| api.send(Request::structured(&event)).await.status == 202;
    assert!(permitted(granting(&["shop-client"], &["SubmitOrder"], &[shop]), submit_order()).await);
    assert!(permitted(granting(&["*"], &["Submit*"], &[shop]), submit_order()).await);
    assert!(!permitted(granting(&["till-client"], &["*"], &[shop]), submit_order()).await);
    assert!(!permitted(granting(&["*"], &["Cancel*", "ShipOrder", "Order"], &[shop]), submit_order()).await);
    assert!(!permitted(granting(&["*"], &["*"], &["https://broker.example/"]), submit_order()).await);
    let elsewhere = with(submit_order(), &json!({ "source": "https://shop.example.org/checkout" }));
    assert!(!permitted(granting(&["*"], &["*"], &["https://shop.example"]), elsewhere).await);
}

#[tokio::test]
async fn a_user_who_is_called_like_a_client_has_none_of_its_grants() {
    let shop = "https://shop.example/";
    for granted in ["shop-client", "client:shop-client"] {
        let api = granting(&[granted], &["*"], &[shop]);
        api.send(order()).await.accepted();
        let problem = api.send(order().by(user("shop-client", Some("demo")))).await.refused("not-permitted");
        assert!(problem.detail.contains("user:shop-client"), "it says who was refused: {problem:#?}");
    }
    let api = granting(&["user:shop-client"], &["*"], &[shop]);
    api.send(order().by(user("shop-client", Some("demo")))).await.accepted();
    api.send(order()).await.refused("not-permitted");
}

#[tokio::test]
async fn a_caller_is_known_by_an_id_that_can_be_written_down() {
    let api = Api::new();
    for sub in ["\u{202e}toor", "alice\n", "alice\u{200b}", "\u{fffe}", &"x".repeat(256), &"x".repeat(5000)] {
        let problem = api.send(order().by(user(sub, Some("demo")))).await.refused("not-permitted");
        assert!(problem.detail.contains("1 to 255 bytes") && !problem.detail.contains(sub), "{problem:#?}");
    }
    api.assert_nothing_queued();
    for sub in [&"x".repeat(255), "jane@acme.example", "auth0|123456", "J\u{fc}rgen"] {
        api.send(order().by(user(sub, Some("demo")))).await.accepted();
    }
}

#[tokio::test]
async fn a_refusal_does_not_tell_which_types_there_are() {
    let api = granting(&["*"], &["SubmitOrder"], &["https://shop.example/"]);
    for ty in ["CancelOrder", "LaunchRocket"] {
        let event = with(submit_order(), &json!({ "type": ty }));
        api.send(Request::structured(&event)).await.refused("not-permitted");
    }
}

#[tokio::test(start_paused = true)]
async fn a_grant_given_today_counts_within_a_minute() {
    let api = granting(&["*"], &["SubmitOrder"], &["https://broker.example/"]);
    api.send(order()).await.refused("not-permitted");
    api.register_tenant(
        "demo",
        &json!({ "grants": [{ "principals": ["*"], "types": ["*"], "sources": ["https://shop.example/"] }] }),
    );
    api.send(order()).await.refused("not-permitted");
    tokio::time::advance(lambda::caller::FRESH_FOR).await;
    api.send(order()).await.refused("not-permitted");
    tokio::time::sleep(std::time::Duration::from_millis(1)).await; // paused time passes once the refresh is done
    api.send(order()).await.accepted();
}
