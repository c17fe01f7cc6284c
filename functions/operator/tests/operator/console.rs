//! `GET /console`: the page and its parts.

use bench::Answer;
use std::path::Path;

use serde_json::{Value, json};

use crate::api::{Api, get};

async fn part(api: &Api, path: &str) -> Answer {
    api.send(get(path).without_claims()).await
}

/// Every file of the console, with the path it is served at.
fn files() -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("console");
    let files = std::fs::read_dir(folder).expect("the console's folder").map(|entry| entry.expect("a file"));
    files
        .map(|file| {
            let name = file.file_name().into_string().expect("a name");
            let path = if name == "index.html" { "/console".to_owned() } else { format!("/console/{name}") };
            (path, std::fs::read_to_string(file.path()).expect("text"))
        })
        .collect()
}

#[tokio::test]
async fn every_file_is_served_to_anybody_under_its_media_type() {
    let api = Api::new();
    let files = files();
    assert!(files.len() >= 3);
    for (path, text) in files {
        let answer = part(&api, &path).await;
        assert_eq!(answer.status, 200, "{path}: {answer:#?}");
        assert_eq!(answer.text, text, "{path}");
        let media_type = match Path::new(&path).extension().and_then(|extension| extension.to_str()) {
            None => "text/html; charset=utf-8",
            Some("css") => "text/css; charset=utf-8",
            Some("js") => "text/javascript; charset=utf-8",
            Some(other) => panic!("what is a {other}?"),
        };
        assert_eq!(answer.header("content-type"), media_type, "{path}");
        assert_eq!(answer.header("cache-control"), "no-cache");
    }
}

/// The parts that a part of JavaScript imports, by their paths.
fn imports(text: &str) -> impl Iterator<Item = String> {
    text.split(" from \"./").skip(1).map(|rest| format!("/console/{}", rest.split('"').next().unwrap_or_default()))
}

#[test]
fn parts_know_each_other_in_one_direction() {
    let mut left = files();
    left.retain(|(path, _)| Path::new(path).extension().is_some_and(|extension| extension == "js"));
    assert!(left.iter().any(|(_, text)| imports(text).count() > 1), "console.js knows its parts");
    while !left.is_empty() {
        let paths: Vec<String> = left.iter().map(|(path, _)| path.clone()).collect();
        left.retain(|(_, text)| imports(text).any(|import| paths.contains(&import)));
        assert!(left.len() < paths.len(), "each of these leads to itself: {paths:?}");
    }
}

#[tokio::test]
async fn the_page_may_run_and_ask_for_nothing_but_its_own() {
    let api = Api::new();
    let mut paths: Vec<_> = files().into_iter().map(|(path, _)| path).collect();
    paths.push("/console/config.json".to_owned());
    for path in paths {
        let answer = part(&api, &path).await;
        assert_eq!(
            answer.header("content-security-policy"),
            "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self' https://auth.example; \
             img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
            "{path}"
        );
        assert_eq!(answer.header("referrer-policy"), "no-referrer");
    }
}

#[tokio::test]
async fn what_the_browser_has_already_is_not_sent_again() {
    let api = Api::new();
    for (path, text) in files() {
        let etag = part(&api, &path).await.header("etag").to_owned();
        for tags in [etag.clone(), format!("W/{etag}"), format!("\"old\", {etag}"), "*".to_owned()] {
            let answer = api.send(get(&path).without_claims().header("if-none-match", &tags)).await;
            assert_eq!((answer.status.as_u16(), answer.text.as_str()), (304, ""), "{path} {tags}");
            assert_eq!(answer.header("etag"), etag);
        }
        let answer = api.send(get(&path).without_claims().header("if-none-match", "\"old\"")).await;
        assert_eq!(answer.text, text);
    }
}

#[tokio::test]
async fn the_page_is_told_where_to_sign_in_what_can_be_rebuilt_and_what_can_be_found() {
    let api = Api::new();
    let answer = part(&api, "/console/config.json").await;
    assert_eq!(answer.header("content-type"), "application/json");
    let config: Value = serde_json::from_str(&answer.text).expect("JSON");
    let expected = json!({
        "authorizeUrl": "https://auth.example/oauth2/authorize",
        "tokenUrl": "https://auth.example/oauth2/token",
        "revokeUrl": "https://auth.example/oauth2/revoke",
        "clientId": "the-console",
        "scope": "openid waybill/operate",
        "collections": catalog::collections().collect::<Vec<_>>(),
        "findingKinds": store::findings::Kind::ALL.map(store::findings::Kind::as_str),
    });
    assert_eq!(config, expected);
}

#[tokio::test]
async fn without_a_sign_in_the_page_is_there_and_says_nothing_of_one() {
    let mut api = Api::new();
    api.desk.sign_in = None;
    part(&api, "/console/config.json").await.refused("not-found");
    let answer = part(&api, "/console").await;
    assert!(answer.header("content-security-policy").contains("connect-src 'self' ;"), "{answer:#?}");
}

#[tokio::test]
async fn nothing_else_is_there() {
    let api = Api::new();
    let hidden = "/console/..%2f..%2fsrc%2flib.rs";
    for path in ["/console/index.html", "/console/nothing", "/console/console.js/x", hidden] {
        part(&api, path).await.refused("not-found");
    }
    for path in ["/console", "/console/console.js", "/console/config.json"] {
        for method in ["POST", "PUT", "DELETE"] {
            api.send(get(path).without_claims().method(method)).await.refused("method-not-allowed");
        }
    }
}
