//! The registry: tenants, their clients, settings and schemas.

use aws_sdk_dynamodb::types::AttributeValue;
use kernel::principal::Principal;
use store::StoreError;
use store::registry::{Grant, OperatorEntry, ReadGrant, Route, TenantSchema, include};
use testkit::{Fault, TABLES};

use crate::probe;
use crate::world::{World, tenant};

async fn world_with(rows: &[&[(&str, &str)]]) -> World {
    let world = World::of(probe::context::<1>());
    for row in rows {
        let item = row.iter().map(|(name, value)| ((*name).to_owned(), AttributeValue::S((*value).to_owned())));
        let put = world.aws.dynamodb().put_item().table_name(TABLES.registry).set_item(Some(item.collect()));
        put.send().await.expect("a registry entry");
    }
    world
}

const SETTINGS: &str = r#"{
    "grants": [{ "principals": ["shop"], "types": ["Submit*"], "sources": ["/shop"] }],
    "routes": [{ "source": "/shop/own", "queue": "https://sqs.example/own.fifo" }, { "source": "/shop" }]
}"#;

#[tokio::test]
async fn a_tenant_has_settings_and_schemas_of_its_own() {
    let world = world_with(&[
        &[("registry_key", "tenant#acme"), ("entry", "settings"), ("document", SETTINGS)],
        &[
            ("registry_key", "tenant#acme"),
            ("entry", "schema#https://acme.example/order/1"),
            ("command_type", "SubmitOrder"),
            ("document", "{}"),
        ],
        &[("registry_key", "tenant#globex"), ("entry", "settings"), ("document", "{}")],
    ])
    .await;

    let acme = world.registry.tenant(&tenant("acme")).await.expect("read").expect("a tenant");
    let texts = |texts: &[&str]| texts.iter().map(ToString::to_string).collect::<Vec<_>>();
    let grant = Grant { principals: texts(&["shop"]), types: texts(&["Submit*"]), sources: texts(&["/shop"]) };
    assert_eq!(acme.settings.grants, [grant]);
    let own = Some("https://sqs.example/own.fifo".to_owned());
    let routes =
        [Route { source: "/shop/own".to_owned(), queue: own }, Route { source: "/shop".to_owned(), queue: None }];
    assert_eq!(acme.settings.routes, routes);
    let schema = TenantSchema {
        uri: "https://acme.example/order/1".to_owned(),
        command_type: "SubmitOrder".to_owned(),
        document: "{}".to_owned(),
    };
    assert_eq!(acme.schemas, [schema]);

    let globex = world.registry.tenant(&tenant("globex")).await.expect("read").expect("a tenant");
    assert!(globex.settings.grants.is_empty() && globex.settings.routes.is_empty() && globex.schemas.is_empty());
    assert_eq!(world.registry.tenant(&tenant("initech")).await.expect("read"), None);
}

#[tokio::test]
async fn a_command_types_schemas_are_read_whatever_else_is_registered_for_the_tenant() {
    let world = world_with(&[
        &[("registry_key", "tenant#acme"), ("entry", "settings"), ("document", "{ not readable")],
        &[("registry_key", "tenant#acme"), ("entry", "limits"), ("document", "{ not readable")],
        &[("registry_key", "tenant#acme"), ("entry", "schema#/1"), ("command_type", "Cancel"), ("document", "{ }")],
        &[("registry_key", "tenant#acme"), ("entry", "schema#/2"), ("command_type", "Submit"), ("document", "[1]")],
        &[("registry_key", "tenant#acme"), ("entry", "schema#/3"), ("command_type", "Submit"), ("document", "[2]")],
        &[("registry_key", "tenant#globex"), ("entry", "schema#/4"), ("command_type", "Submit"), ("document", "{}")],
    ])
    .await;
    for (of, command_type, expected) in [
        ("acme", "Submit", &[("/2", "[1]"), ("/3", "[2]")][..]),
        ("acme", "Cancel", &[("/1", "{ }")]),
        ("acme", "Sub", &[]),
        ("initech", "Submit", &[]),
    ] {
        let schema = |(uri, document): &(&str, &str)| TenantSchema {
            uri: (*uri).to_owned(),
            command_type: command_type.to_owned(),
            document: (*document).to_owned(),
        };
        let found = world.registry.schemas(&tenant(of), command_type).await.expect("read");
        assert_eq!(found, expected.iter().map(schema).collect::<Vec<_>>(), "{of} {command_type}");
    }
}

#[test]
fn a_grant_includes_everybody_or_those_whom_it_names() {
    for (granted, principal, included) in [
        (&["*"][..], "user:jane", true),
        (&["*"], "client:shop", true),
        (&["shop"], "client:shop", true),
        (&["client:shop"], "client:shop", true),
        (&["user:jane", "client:shop"], "client:shop", true),
        (&["shop"], "user:shop", false),
        (&["user:shop"], "client:shop", false),
        (&["sho*", "client:*"], "client:shop", false),
        (&[], "client:shop", false),
    ] {
        let granted: Vec<_> = granted.iter().map(ToString::to_string).collect();
        assert_eq!(include(&granted, &Principal::read(principal)), included, "{granted:?}: {principal}");
    }
}

#[tokio::test]
async fn a_tenants_settings_are_read_without_its_schemas_and_say_who_may_read() {
    let reads = r#"{ "reads": [
        { "principals": ["shop"], "collections": ["*"] }, { "principals": ["*"], "collections": ["orders"], "own": "sub" }
    ] }"#;
    let world = world_with(&[
        &[("registry_key", "tenant#acme"), ("entry", "settings"), ("document", reads)],
        &[("registry_key", "tenant#acme"), ("entry", "schema#/order/1"), ("document", "{}")],
        &[("registry_key", "tenant#globex"), ("entry", "settings"), ("document", SETTINGS)],
        &[("registry_key", "tenant#wonka"), ("entry", "settings"), ("document", r#"{ "reads": [{ "own": "sub" }] }"#)],
    ])
    .await;
    let settings = async |id| world.registry.settings(&tenant(id)).await;
    let acme = settings("acme").await.expect("read").expect("settings");
    let all = ReadGrant { principals: vec!["shop".to_owned()], collections: vec!["*".to_owned()], own: None };
    let own = Some("sub".to_owned());
    let own = ReadGrant { principals: vec!["*".to_owned()], collections: vec!["orders".to_owned()], own };
    assert_eq!(acme.reads, Some(vec![all, own]));
    assert_eq!(settings("globex").await.expect("read").expect("settings").reads, None, "written before there were any");
    assert_eq!(settings("initech").await.expect("read"), None);
    assert!(matches!(settings("wonka").await, Err(StoreError::Corrupt { .. })), "it does not say to whom");
}

#[tokio::test]
async fn a_machine_client_belongs_to_a_tenant() {
    let world = world_with(&[&[("registry_key", "client#abc"), ("entry", "tenant"), ("tenant", "acme")]]).await;
    assert_eq!(world.registry.tenant_of_client("abc").await.expect("read"), Some(tenant("acme")));
    assert_eq!(world.registry.tenant_of_client("xyz").await.expect("read"), None);
}

#[tokio::test]
async fn an_operator_is_a_tenants_or_the_platforms() {
    let world = world_with(&[
        &[("registry_key", "operator#client:desk"), ("entry", "operator"), ("tenant", "acme")],
        &[("registry_key", "operator#user:root"), ("entry", "operator")],
        &[("registry_key", "operator#client:clerk"), ("entry", "note")],
        &[("registry_key", "client#shop"), ("entry", "tenant"), ("tenant", "acme")],
    ])
    .await;
    let operator = async |principal| world.registry.operator(&Principal::read(principal)).await.expect("read");
    assert_eq!(operator("client:desk").await, Some(OperatorEntry { tenant: Some(tenant("acme")) }));
    assert_eq!(operator("user:root").await, Some(OperatorEntry { tenant: None }));
    for nobody in ["client:clerk", "client:shop", "client:", "client:Desk", "user:desk", "client:root", "system:root"] {
        assert_eq!(operator(nobody).await, None, "{nobody}");
    }
}

#[tokio::test]
async fn an_operator_without_a_prefix_is_a_client() {
    let world = world_with(&[
        &[("registry_key", "operator#desk"), ("entry", "operator"), ("tenant", "acme")],
        &[("registry_key", "operator#user:jane"), ("entry", "operator")],
    ])
    .await;
    let operator = async |principal| world.registry.operator(&Principal::read(principal)).await.expect("read");
    assert_eq!(operator("client:desk").await, Some(OperatorEntry { tenant: Some(tenant("acme")) }));
    assert_eq!(operator("user:desk").await, None);
    assert_eq!(operator("client:user:jane").await, None, "a client that is called like a user's entry");
}

#[tokio::test]
async fn an_entry_with_a_prefix_counts_before_one_without() {
    let world = world_with(&[
        &[("registry_key", "operator#desk"), ("entry", "operator")],
        &[("registry_key", "operator#client:desk"), ("entry", "operator"), ("tenant", "acme")],
    ])
    .await;
    let found = world.registry.operator(&Principal::read("client:desk")).await.expect("read");
    assert_eq!(found, Some(OperatorEntry { tenant: Some(tenant("acme")) }));
}

#[tokio::test]
async fn an_operator_of_what_is_no_tenant_is_an_error_and_not_the_platforms() {
    for wrong in ["No Tenant", ""] {
        let world = world_with(&[&[("registry_key", "operator#desk"), ("entry", "operator"), ("tenant", wrong)]]).await;
        let found = world.registry.operator(&Principal::read("client:desk")).await;
        assert!(matches!(found, Err(StoreError::Corrupt { .. })), "{wrong}: {found:?}");
    }
}

#[tokio::test]
async fn an_operator_whose_tenant_is_null_is_an_error_and_not_the_platforms() {
    for null in [AttributeValue::Null(true), AttributeValue::L(Vec::new()), AttributeValue::N("1".to_owned())] {
        let world = world_with(&[]).await;
        let text = |text: &str| AttributeValue::S(text.to_owned());
        let put = world.aws.dynamodb().put_item().table_name(TABLES.registry);
        let put = put.item("registry_key", text("operator#desk")).item("entry", text("operator"));
        put.item("tenant", null.clone()).send().await.expect("a registry entry");
        let found = world.registry.operator(&Principal::read("client:desk")).await;
        assert!(matches!(found, Err(StoreError::Corrupt { .. })), "{null:?}: {found:?}");
    }
}

#[tokio::test]
async fn a_client_whose_entry_names_no_tenant_is_an_error_and_not_an_unknown_client() {
    let world = world_with(&[&[("registry_key", "client#abc"), ("entry", "tenant"), ("tennant", "acme")]]).await;
    let found = world.registry.tenant_of_client("abc").await;
    assert!(matches!(found, Err(StoreError::Corrupt { .. })), "{found:?}");
}

#[tokio::test]
async fn settings_that_cannot_be_read_are_an_error_and_not_no_settings() {
    for settings in [
        "",
        "{",
        "null",
        "[]",
        "{} and more",
        r#"{"grant":[]}"#,
        r#"{"grants":[],"grants":[]}"#,
        r#"{"grants":[{"principals":["*"]}]}"#,
        r#"{"routes":[{"source":"/shop","queue":"acme-legacy.fifo"}]}"#,
        r#"{"routes":[{"source":"/shop","queue":"https://sqs.example/standard"}]}"#,
        r#"{"routes":[{"source":"/shop","queue":"https.fifo"}]}"#,
        r#"{"routes":[{"source":"/shop","queue":"sqs://sqs.example/own.fifo"}]}"#,
    ] {
        let row: &[_] = &[("registry_key", "tenant#acme"), ("entry", "settings"), ("document", settings)];
        let world = world_with(&[row]).await;
        let found = world.registry.tenant(&tenant("acme")).await;
        assert!(matches!(found, Err(StoreError::Corrupt { what: "tenant's settings", .. })), "{settings}: {found:?}");
    }
    let world = world_with(&[&[("registry_key", "client#abc"), ("entry", "tenant"), ("tenant", "No Tenant")]]).await;
    let found = world.registry.tenant_of_client("abc").await;
    assert!(matches!(found, Err(StoreError::Corrupt { .. })), "{found:?}");
}

#[tokio::test]
async fn more_schemas_than_a_page_holds_are_all_read() {
    let document = format!("\"{}\"", "s".repeat(150_000));
    let entries: Vec<_> = (10..30).map(|number| format!("schema#urn:schema:{number}")).collect();
    let rows: Vec<_> = entries
        .iter()
        .map(|entry| [("registry_key", "tenant#acme"), ("entry", entry.as_str()), ("document", document.as_str())])
        .collect();
    let mut rows: Vec<&[_]> = rows.iter().map(|row| &row[..]).collect();
    let settings: &[_] = &[("registry_key", "tenant#acme"), ("entry", "settings"), ("document", "{}")];
    rows.push(settings);
    let world = world_with(&rows).await;
    let acme = world.registry.tenant(&tenant("acme")).await.expect("read").expect("settings on the last page");
    assert_eq!(acme.schemas.len(), 20);
}

#[tokio::test]
async fn a_registry_that_is_down_is_an_error_and_not_an_unknown_tenant() {
    let world = world_with(&[]).await;
    world.aws.inject(|_| Fault::refuse(500, "InternalServerError"));
    assert!(matches!(world.registry.tenant(&tenant("acme")).await, Err(StoreError::Unavailable { .. })));
}
