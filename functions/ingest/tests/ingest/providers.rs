//! Access tokens as identity providers issue them: to a client itself, and to a user who signed in through that client.
//! `docs/deploy.md` has a row for each provider.

use bench::Request;
use serde_json::{Value, json};

use crate::api::{Api, submit_order};

/// Of every provider; registered with the tenant `demo`.
const CLIENT: &str = "shop-client";
const UUID: &str = "1d2d88f8-8b68-4b6b-883f-1af68b598612";

struct Provider {
    name: &'static str,
    /// `MachineTokens`; empty: the default.
    rules: &'static str,
    machine: Value,
    user: Value,
}

fn providers() -> Vec<Provider> {
    let provider = |name, rules, machine, user| Provider { name, rules, machine, user };
    vec![
        provider(
            "Amazon Cognito",
            "",
            json!({ "client_id": CLIENT, "sub": CLIENT, "token_use": "access", "version": "2" }),
            json!({ "client_id": CLIENT, "sub": UUID, "username": "jane", "token_use": "access" }),
        ),
        provider(
            "Auth0",
            "",
            json!({ "azp": CLIENT, "sub": "shop-client@clients", "gty": "client-credentials" }),
            json!({ "azp": CLIENT, "sub": "auth0|123456" }),
        ),
        provider(
            "Auth0, RFC 9068 profile",
            "",
            json!({ "client_id": CLIENT, "sub": "shop-client@clients", "jti": "73WakrfVbNJBaAmhQtEeDv" }),
            json!({ "client_id": CLIENT, "sub": "auth0|123456", "jti": "73WakrfVbNJBaAmhQtEeDw" }),
        ),
        provider(
            "Okta",
            "",
            json!({ "cid": CLIENT, "sub": CLIENT, "scp": "[waybill/submit]" }),
            json!({ "cid": CLIENT, "uid": "00u1abcd2EFGHIJKL3m4", "sub": "jane@acme.example", "scp": "[waybill/submit]" }),
        ),
        provider(
            "Microsoft Entra ID, version 1.0",
            "",
            json!({ "appid": CLIENT, "appidacr": "1", "idtyp": "app", "oid": UUID, "sub": UUID, "ver": "1.0" }),
            json!({ "appid": CLIENT, "appidacr": "0", "idtyp": "user", "oid": UUID, "sub": "AAAAAkq3", "ver": "1.0" }),
        ),
        provider(
            "Microsoft Entra ID, version 2.0",
            "",
            json!({ "azp": CLIENT, "azpacr": "1", "idtyp": "app", "oid": UUID, "sub": UUID, "ver": "2.0" }),
            json!({ "azp": CLIENT, "azpacr": "0", "oid": UUID, "sub": "AAAAAkq3", "ver": "2.0" }),
        ),
        provider(
            "Keycloak",
            "preferred_username=service-account-{client}",
            json!({ "azp": CLIENT, "client_id": CLIENT, "sub": UUID, "typ": "Bearer", "clientHost": "203.0.113.17",
                    "preferred_username": "service-account-shop-client" }),
            json!({ "azp": CLIENT, "sub": UUID, "typ": "Bearer", "sid": "0b6e", "preferred_username": "jane" }),
        ),
        provider(
            "PingOne",
            "sub=",
            json!({ "client_id": CLIENT, "env": UUID, "org": UUID }),
            json!({ "client_id": CLIENT, "sub": UUID, "env": UUID, "org": UUID, "acr": "Single_Factor" }),
        ),
        provider(
            "PingAM and ForgeRock",
            "grant_type=client_credentials",
            json!({ "client_id": CLIENT, "sub": "(age!shop-client)", "grant_type": "client_credentials" }),
            json!({ "client_id": CLIENT, "sub": "(usr!jane)", "grant_type": "authorization_code" }),
        ),
        provider(
            "Duende IdentityServer",
            "sub=",
            json!({ "client_id": CLIENT, "jti": "F5D0E2C1" }),
            json!({ "client_id": CLIENT, "sub": "818727", "idp": "local", "sid": "0b6e" }),
        ),
        provider(
            "WSO2 Identity Server",
            "aut=APPLICATION",
            json!({ "client_id": CLIENT, "azp": CLIENT, "sub": UUID, "aut": "APPLICATION" }),
            json!({ "client_id": CLIENT, "azp": CLIENT, "sub": UUID, "aut": "APPLICATION_USER" }),
        ),
        provider(
            "Ory Hydra, OpenIddict and others who follow RFC 9068",
            "",
            json!({ "client_id": CLIENT, "sub": CLIENT }),
            json!({ "client_id": CLIENT, "sub": UUID }),
        ),
    ]
}

fn order(claims: &Value) -> Request {
    let mut claims = claims.clone();
    if claims.get("scp").is_none() {
        claims["scope"] = json!("waybill/submit");
    }
    Request::structured(&submit_order()).by(claims)
}

#[tokio::test]
async fn a_clients_own_token_is_let_in_as_the_tenant_that_the_client_is_registered_with() {
    for Provider { name, rules, machine, .. } in providers() {
        let api = Api::with_machine_tokens(rules);
        let answer = api.send(order(&machine)).await;
        assert_eq!(answer.status, 202, "{name}: {answer:#?}");
        let (message, command) = api.only_command("orders");
        assert_eq!(message.group.as_deref(), Some("demo/orders/O-1001"), "{name}");
        let text = |extension: &str| command.extension(extension).map(ToString::to_string);
        assert_eq!(text("authid").as_deref(), Some(CLIENT), "{name}");
        assert_eq!(text("authtype").as_deref(), Some("service_account"), "{name}");
    }
}

#[tokio::test]
async fn a_user_who_signed_in_through_the_client_has_the_tenant_of_their_token_or_none() {
    for Provider { name, rules, user, .. } in providers() {
        let api = Api::with_machine_tokens(rules);
        let answer = api.send(order(&user)).await;
        assert_eq!(answer.status, 403, "{name}: {answer:#?}");
        api.assert_nothing_queued();

        let mut of_demo = user.clone();
        of_demo["custom:tenant"] = json!("demo");
        let answer = api.send(order(&of_demo)).await;
        assert_eq!(answer.status, 202, "{name}: {answer:#?}");
        let (_, command) = api.only_command("orders");
        assert_eq!(command.extension("authtype").map(ToString::to_string).as_deref(), Some("user"), "{name}");
        assert_eq!(command.extension("authid").map(ToString::to_string).as_deref(), user["sub"].as_str(), "{name}");
    }
}

#[tokio::test]
async fn no_providers_users_pass_for_the_client_by_the_default_rules() {
    let api = Api::new();
    for Provider { name, user, .. } in providers() {
        let answer = api.send(order(&user)).await;
        assert_eq!(answer.status, 403, "{name}: {answer:#?}");
    }
    api.assert_nothing_queued();
}

#[tokio::test]
async fn users_who_chose_a_clients_name_as_their_own_do_not_pass_for_it() {
    for (rules, claims) in [
        // Okta's `sub` is the login.
        ("", json!({ "cid": CLIENT, "uid": "00u1abcd2EFGHIJKL3m4", "sub": CLIENT })),
        ("", json!({ "cid": CLIENT, "uid": "00u1abcd2EFGHIJKL3m4", "sub": "shop-client@clients" })),
        ("", json!({ "azp": CLIENT, "sub": CLIENT, "preferred_username": CLIENT })),
        ("", json!({ "azp": "the-web-application", "sub": CLIENT })),
        // Keycloak's light tokens name no user at all.
        ("preferred_username=service-account-{client}", json!({ "azp": CLIENT, "sid": "0b6e" })),
    ] {
        let api = Api::with_machine_tokens(rules);
        let answer = api.send(order(&claims)).await;
        assert!(answer.status == 403 || answer.status == 401, "{claims}: {answer:#?}");
        api.assert_nothing_queued();
    }
}

#[tokio::test]
async fn a_token_without_any_sign_is_a_users() {
    let api = Api::new();
    for claims in [json!({ "client_id": CLIENT, "sub": UUID }), json!({ "client_id": CLIENT })] {
        let answer = api.send(order(&claims)).await;
        assert!(answer.status == 403 || answer.status == 401, "{claims}: {answer:#?}");
    }
    api.assert_nothing_queued();
}
