//! Whatever is sent, nothing breaks, and nothing is done that was not asked for.

use proptest::prelude::*;
use serde_json::json;

use crate::api::{Api, Queued, bad_order, get, post, second};

#[tokio::test]
async fn a_body_that_is_not_what_is_asked_for_is_refused() {
    let api = Api::new();
    let id = api.parks(&Queued::order("demo", "O-1", &bad_order(), second(0))).await;
    let before = api.everything();
    let deep = format!(r#"{{"reason":{}{}}}"#, "[".repeat(10_000), "]".repeat(10_000));
    for body in [
        "{",
        "[]",
        "null",
        "\"reason\"",
        r#"["a reason"]"#,
        r#"{"reason":1}"#,
        r#"{"reason":["a"]}"#,
        r#"{"reason":"a","reason":"b"}"#,
        r#"{"reason":"a","because":"b"}"#,
        r#"{"ids":[]}"#,
        r#"{"reason":"a"} {}"#,
        r#"{"reason":"\ud800"}"#,
        deep.as_str(),
        "\u{feff}{}",
    ] {
        for path in ["resubmit", "discard"] {
            let request = post(format!("/parked/{id}/{path}"), &json!({})).body(body);
            let problem = api.send(request).await.refused("bad-request");
            assert!(problem.detail.len() < 300, "{body}: {problem:#?}");
        }
    }
    for body in [
        "",
        "{}",
        r#"{"ids":null,"reason":"a"}"#,
        r#"{"ids":"a","reason":"a"}"#,
        r#"{"ids":[1],"reason":"a"}"#,
        r#"{"ids":[],"reason":"a"}"#,
        r#"{"ids":["a"],"reason":"a","data":{}}"#,
        r#"[["a"],"reason"]"#,
    ] {
        for path in ["resubmit", "discard"] {
            api.send(post(format!("/parked/{path}"), &json!({})).body(body)).await.refused("bad-request");
        }
    }
    let names = format!("{{\"{}\":1}}", "x".repeat(100_000));
    let problem = api.send(post(format!("/parked/{id}/resubmit"), &json!({})).body(names)).await.refused("bad-request");
    assert!(problem.detail.len() < 300, "what was sent is not sent back at length");
    assert_eq!(api.everything(), before);
}

#[tokio::test]
async fn a_body_in_base64_is_read_as_what_it_is() {
    let api = Api::new();
    let id = api.parks(&Queued::order("demo", "O-1", &bad_order(), second(0))).await;
    let mut request = get(format!("/parked/{id}/discard")).method("POST").into_http();
    *request.body_mut() = lambda_http::Body::Binary(br#"{"reason":"no"}"#.to_vec());
    assert_eq!(api.desk.handle(request, api.now()).await.status(), 200);
    for bytes in [&b"\xff\xfe"[..], b"{\"reason\":\"\xff\"}"] {
        let mut request = get(format!("/parked/{id}/resubmit")).method("POST").into_http();
        *request.body_mut() = lambda_http::Body::Binary(bytes.to_vec());
        assert_eq!(api.desk.handle(request, api.now()).await.status(), 400);
    }
}

#[test]
fn whatever_stands_where_an_id_should_nothing_is_found() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let api = runtime.block_on(async {
        let api = Api::new();
        api.parks(&Queued::order("demo", "O-1", &bad_order(), second(0))).await;
        api
    });
    let before = api.everything();
    let text = "[A-Za-z0-9_%.~-]{1,80}|[0-9]{1,3}#(demo|other)?#orders#2026-01-15T00:00:00[.]000Z#[0-9a-f]{0,32}";
    proptest!(ProptestConfig::with_cases(64), |(id in text)| {
        use base64::Engine as _;
        let encoded = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(&id);
        for id in [id.as_str(), encoded.as_str()] {
            let id = id.replace('#', "%23");
            let requests = [get(format!("/parked/{id}")), post(format!("/parked/{id}/resubmit"), &json!({}))];
            for request in requests {
                let answer = runtime.block_on(api.send(request));
                prop_assert!(matches!(answer.status.as_u16(), 404 | 405), "{id}: {answer:#?}");
            }
        }
    });
    assert_eq!(api.everything(), before);
}

#[tokio::test]
async fn an_operator_with_a_strange_id_is_written_down_as_they_are() {
    let api = Api::new();
    let id = api.parks(&Queued::order("demo", "O-1", &bad_order(), second(0))).await;
    let sub = "idp|\"<script>\"|ü";
    api.aws.register(&json!({ "registry_key": format!("operator#user:{sub}"), "entry": "operator", "tenant": "demo" }));
    let request = post(format!("/parked/{id}/discard"), &json!({ "reason": "\"}],<b>" }));
    api.send(request.by(crate::api::user(sub, None))).await.ok();
    let done = &api.detail(&id).await["history"][1];
    assert_eq!((&done["by"], &done["reason"]), (&json!(format!("user:{sub}")), &json!("\"}],<b>")));
}

#[tokio::test]
async fn a_name_stands_behind_the_id_and_shows_nothing_that_is_not_in_it() {
    let api = Api::new();
    api.aws.register(&json!({ "registry_key": "operator#user:jane", "entry": "operator", "tenant": "demo" }));
    let (long, clipped) = ("x".repeat(5000), format!("user:jane ({})", "x".repeat(64)));
    for (nth, (name, shown)) in [
        ("\u{202e}toor\u{202c}", "user:jane (toor)"),
        ("Jane\r\n2026-01-01 client:root\u{0}\u{7f}\u{fffe}", "user:jane (Jane2026-01-01 client:root)"),
        ("\u{200b}\u{2066}\u{feff} ", "user:jane"),
        ("jane", "user:jane"),
        (long.as_str(), clipped.as_str()),
    ]
    .into_iter()
    .enumerate()
    {
        let id = api.parks(&Queued::order("demo", &format!("O-{nth}"), &bad_order(), second(0))).await;
        let mut claims = crate::api::user("jane", None);
        claims["username"] = json!(name);
        let discard = post(format!("/parked/{id}/discard"), &json!({ "reason": "of no use" }));
        api.send(discard.by(claims)).await.ok();
        assert_eq!(api.detail(&id).await["history"][1]["by"], json!(shown), "{name:?}");
    }
}

#[tokio::test]
async fn an_id_that_would_be_shown_as_another_operates_nothing() {
    let api = Api::new();
    for sub in ["\u{202e}toor", "root\u{200b}", "root\n", &"x".repeat(256), &"x".repeat(5000)] {
        let claims = crate::api::user(sub, Some("demo"));
        let problem = api.send(get("/parked").by(claims)).await.refused("not-permitted");
        assert!(problem.detail.contains("1 to 255 bytes") && !problem.detail.contains(sub), "{problem:#?}");
    }
    assert_eq!(api.aws.count("Query"), 0, "nobody asked the registry");
}
