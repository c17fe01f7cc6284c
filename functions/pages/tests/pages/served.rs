//! Pages and their parts.

use std::fs;
use std::path::Path;

use bench::{Answer, Request};
use lambda::settings::Environment;
use pages::Pages;
use serde_json::{Value, json};

const PAGES: [&str; 3] = ["console", "dashboard", "demo"];

fn pages() -> Pages {
    let settings = [
        ("PUBLIC_URL", "https://api.example"),
        ("SIGN_IN_CLIENT_ID", "the-pages"),
        ("SIGN_IN_URL", "https://auth.example/"),
        ("DEMO", "true"),
        ("WEBSOCKET_URL", "wss://live.example/live"),
    ];
    Pages::from_environment(&Environment::of(settings)).expect("good settings")
}

fn send(pages: &Pages, request: Request) -> Answer {
    Answer::of(pages.handle(&request.into_http()))
}

fn get(path: &str) -> Request {
    Request::get(path).without_claims()
}

/// Every file below each page, with the path it is served at.
fn files() -> Vec<(String, String)> {
    let of = |folder: &str, below: &str| {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
        let entries = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
        let files = entries.map(|entry| entry.expect("a file").path()).filter(|path| path.is_file());
        let named = files.map(|file| {
            let name = file.file_name().and_then(|name| name.to_str()).expect("a name");
            let path = if name == "index.html" { below.to_owned() } else { format!("{below}/{name}") };
            (path, fs::read_to_string(&file).expect("text"))
        });
        named.collect::<Vec<_>>()
    };
    let own = PAGES.into_iter().flat_map(|page| of(page, &format!("/{page}")));
    let common = PAGES.into_iter().flat_map(|page| of("common", &format!("/{page}")));
    own.chain(common).chain(of("demo/waybill", "/demo/waybill")).collect()
}

#[test]
fn every_file_is_served_to_anybody_under_its_media_type() {
    let files = files();
    assert!(files.len() > 40);
    for (path, text) in files {
        let answer = send(&pages(), get(&path));
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
fn imports<'a>(path: &'a str, text: &'a str) -> impl Iterator<Item = String> {
    let below = path.rsplit_once('/').map_or("", |(below, _)| below);
    text.split(" from \"./").skip(1).map(move |rest| format!("{below}/{}", rest.split('"').next().unwrap_or_default()))
}

#[test]
fn parts_know_each_other_in_one_direction() {
    let mut left = files();
    left.retain(|(path, _)| Path::new(path).extension().is_some_and(|extension| extension == "js"));
    let known: Vec<String> = left.iter().map(|(path, _)| path.clone()).collect();
    for (path, text) in &left {
        for import in imports(path, text) {
            assert!(known.contains(&import), "{path} imports {import}, which nobody serves");
        }
    }
    while !left.is_empty() {
        let paths: Vec<String> = left.iter().map(|(path, _)| path.clone()).collect();
        left.retain(|(path, text)| imports(path, text).any(|import| paths.contains(&import)));
        assert!(left.len() < paths.len(), "each of these leads to itself: {paths:?}");
    }
}

#[test]
fn a_page_may_run_and_ask_for_nothing_but_its_own() {
    let mut paths: Vec<_> = files().into_iter().map(|(path, _)| path).collect();
    paths.extend(PAGES.map(|page| format!("/{page}/config.json")));
    for path in paths {
        let answer = send(&pages(), get(&path));
        let page = path.split('/').nth(1).expect("a page");
        let sockets = if page == "demo" && !path.contains("waybill") { " wss://live.example" } else { "" };
        let policy = format!(
            "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self' https://auth.example{sockets}; \
             img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        );
        assert_eq!(answer.header("content-security-policy"), policy, "{path}");
        assert_eq!(answer.header("referrer-policy"), "no-referrer");
    }
}

#[test]
fn what_the_browser_has_already_is_not_sent_again() {
    for path in ["/console", "/dashboard/page.css", "/demo/waybill/index.js"] {
        let whole = send(&pages(), get(path));
        let etag = whole.header("etag").to_owned();
        for tags in [etag.clone(), format!("W/{etag}"), format!("\"old\", {etag}"), "*".to_owned()] {
            let answer = send(&pages(), get(path).header("if-none-match", &tags));
            assert_eq!((answer.status.as_u16(), answer.text.as_str()), (304, ""), "{path} {tags}");
            assert_eq!(answer.header("etag"), etag);
        }
        let answer = send(&pages(), get(path).header("if-none-match", "\"old\""));
        assert_eq!(answer.text, whole.text);
    }
}

#[test]
fn a_page_is_told_where_to_sign_in_and_what_it_cannot_ask_for() {
    let sign_in = json!({
        "authorizeUrl": "https://auth.example/oauth2/authorize",
        "tokenUrl": "https://auth.example/oauth2/token",
        "revokeUrl": "https://auth.example/oauth2/revoke",
        "clientId": "the-pages",
    });
    let collections: Vec<_> = catalog::collections().collect();
    // An overview has no report.
    let reported: Vec<_> = catalog::collections().filter(|name| *name != "customers").collect();
    let kinds = store::findings::Kind::ALL.map(store::findings::Kind::as_str);
    for (page, more) in [
        ("console", json!({ "scope": "openid waybill/operate", "collections": collections, "findingKinds": kinds })),
        ("dashboard", json!({ "scope": "openid waybill/read", "collections": reported })),
        ("demo", json!({ "scope": "openid waybill/submit waybill/read", "push": true, "troubleUrl": null })),
    ] {
        let answer = send(&pages(), get(&format!("/{page}/config.json")));
        assert_eq!(answer.header("content-type"), "application/json");
        let config: Value = serde_json::from_str(&answer.text).expect("JSON");
        let mut expected = sign_in.clone();
        expected.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        assert_eq!(config, expected, "{page}");
    }
}

#[test]
fn without_a_sign_in_a_page_is_there_and_says_nothing_of_one() {
    let pages = Pages { sign_in: None, ..pages() };
    for page in ["console", "dashboard"] {
        send(&pages, get(&format!("/{page}/config.json"))).refused("not-found");
        let answer = send(&pages, get(&format!("/{page}")));
        assert!(answer.header("content-security-policy").contains("connect-src 'self';"), "{answer:#?}");
    }
}

#[test]
fn there_is_no_demo_where_none_is_wanted() {
    let pages = Pages { demo: None, ..pages() };
    for path in ["/demo", "/demo/demo.js", "/demo/config.json", "/demo/waybill/index.js"] {
        send(&pages, get(path)).refused("not-found");
    }
    assert_eq!(send(&pages, get("/dashboard")).status, 200);
}

#[test]
fn nothing_else_is_there() {
    let pages = pages();
    let hidden = "/console/..%2f..%2fsrc%2flib.rs";
    let elsewhere =
        ["/console/chart.js", "/dashboard/demo.js", "/demo/console.js", "/demo/client.js", "/demo/waybill/page.js"];
    for path in
        ["/console/index.html", "/console/nothing", "/console/console.js/x", "/demo/waybill/config.json", hidden]
    {
        send(&pages, get(path)).refused("not-found");
    }
    for path in elsewhere {
        send(&pages, get(path)).refused("not-found");
    }
    for path in ["/console", "/console/console.js", "/console/config.json", "/dashboard", "/demo/waybill/index.js"] {
        for method in ["POST", "PUT", "DELETE"] {
            send(&pages, get(path).method(method)).refused("method-not-allowed");
        }
    }
}
