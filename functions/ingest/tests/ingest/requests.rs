//! What holds for every request: its path, its method, its parameters, its headers; and how sources are compared.

use bench::Request;
use serde_json::{Value, json};

use crate::api::{Api, submit_order, with};

#[tokio::test]
async fn another_method_is_told_which_there_are() {
    let api = Api::new();
    for method in ["GET", "DELETE", "PATCH", "TRACE", "PROPFIND"] {
        let answer = api.send(Request::structured(&submit_order()).method(method)).await;
        assert_eq!(answer.header("allow"), "OPTIONS, POST, PUT", "{method}");
        answer.refused("method-not-allowed");
    }
    api.assert_nothing_queued();
}

#[tokio::test]
async fn commands_go_to_one_path() {
    let api = Api::new();
    for path in ["/", "/commands/x", "/x/commands", "/commands/commands", "/command"] {
        for method in ["POST", "OPTIONS", "GET"] {
            // What others serve is not ingest's, though the API describes it.
            let request = Request::structured(&submit_order()).to(path).method(method).into_http();
            assert_eq!(api.ingest.handle(request, api.now()).await.status(), 404, "{method} {path}");
        }
    }
    api.assert_nothing_queued();
    api.send(Request::structured(&submit_order()).to("/commands/")).await.accepted();
}

#[tokio::test]
async fn a_parameter_that_means_nothing_is_refused_and_nothing_is_carried_out() {
    let api = Api::new();
    for query in ["dryRun=true", "access_token=x", "a", "a=%22"] {
        let problem = api.send(Request::structured(&submit_order()).to(format!("/commands?{query}"))).await;
        let problem = problem.refused("bad-request");
        assert!(problem.detail.contains(query.split('=').next().unwrap_or_default()), "{problem:#?}");
    }
    api.assert_nothing_queued();
}

#[tokio::test]
async fn in_binary_mode_a_problem_names_the_header() {
    let api = Api::new();
    let cases = [
        (json!({ "subject": "a/b" }), "invalid-subject", "ce-subject"),
        (json!({ "subject": ".." }), "invalid-subject", "ce-subject"),
        (json!({ "type": "DoNothing" }), "unknown-type", "ce-type"),
        (json!({ "dataschema": "urn:none" }), "unknown-schema", "ce-dataschema"),
        (json!({ "correlationid": "x".repeat(129) }), "malformed-event", "ce-correlationid"),
        (json!({ "source": "https://u:p@shop.example/" }), "not-permitted", "ce-source"),
        (json!({ "datacontenttype": "text/plain" }), "unsupported-media-type", "content-type"),
        (json!({ "time": "now" }), "malformed-event", "ce-time"),
        (json!({ "data": {} }), "invalid-data", "data"),
    ];
    for (changes, kind, header) in cases {
        let event = with(submit_order(), &changes);
        let problem = api.send(Request::binary(&event)).await.refused(kind);
        assert_eq!(problem.attribute.as_deref(), Some(header), "{problem:#?}");
        if kind != "unsupported-media-type" {
            let problem = api.send(Request::structured(&event)).await.refused(kind);
            assert_eq!(problem.attribute.as_deref(), Some(header.trim_start_matches("ce-")), "{problem:#?}");
        }
    }
}

#[tokio::test]
async fn headers_that_the_gateway_joined_are_not_one_value() {
    let api = Api::new();
    for name in
        ["ce-id", "ce-source", "ce-type", "ce-subject", "ce-specversion", "ce-time", "ce-correlationid", "ce-own"]
    {
        let mut request = Request::binary(&submit_order());
        request.headers.retain(|(header, _)| header != name);
        let problem = api.send(request.header(name, "one,two")).await.refused("malformed-event");
        assert_eq!(problem.attribute.as_deref(), Some(name));
        assert!(problem.detail.contains("%2C"), "{problem:#?}");
    }
    api.assert_nothing_queued();
    for comma in ["one%2Ctwo", r#""one,two""#] {
        let api = Api::new();
        api.send(Request::binary(&submit_order()).header("ce-own", comma)).await.accepted();
        let (_, command) = api.only_command("orders");
        assert_eq!(command.extension("own").map(ToString::to_string).as_deref(), Some("one,two"));
    }
}

#[tokio::test]
async fn a_media_type_may_have_a_semicolon_too_many_and_the_command_has_none() {
    for media_type in ["application/json;", "application/json ; ;charset=\"UTF-8\""] {
        let api = Api::new();
        let mut request = Request::binary(&submit_order());
        request.headers.retain(|(name, _)| name != "content-type");
        api.send(request.header("content-type", media_type)).await.accepted();
        let (_, command) = api.only_command("orders");
        let carried = command.datacontenttype().expect("a media type");
        assert!(!carried.ends_with(';') && !carried.contains("; ;"), "a release before this reads it too: {carried}");
    }
    let api = Api::new();
    for media_type in ["application/cloudevents+json;", "Application/CloudEvents+JSON ;; charset=\"utf-8\";"] {
        api.send(Request::of_type(media_type, submit_order().to_string())).await.accepted();
    }
    for charset in ["utf8", "us-ascii", "\"utf-16\""] {
        let media_type = format!("application/cloudevents+json; charset={charset}");
        let problem = api.send(Request::of_type(&media_type, submit_order().to_string())).await;
        let problem = problem.refused("unsupported-media-type");
        assert!(problem.detail.contains("charset=utf-8"), "{problem:#?}");
    }
}

#[tokio::test]
async fn a_byte_order_mark_and_half_a_surrogate_are_called_so() {
    let api = Api::new();
    let bom = |text: String| format!("\u{feff}{text}");
    let structured = Request::of_type("application/cloudevents+json", bom(submit_order().to_string()));
    let batch = Request::of_type("application/cloudevents-batch+json", bom(json!([submit_order()]).to_string()));
    let mut binary = Request::binary(&submit_order());
    binary.body = bom(submit_order()["data"].to_string()).into();
    for request in [structured, batch, binary] {
        let problem = api.send(request).await.refused("malformed-event");
        assert!(problem.detail.contains("byte order mark"), "{problem:#?}");
    }
    for (place, half) in [("checkout-1001", r"\ud800"), ("C-7", r"\ud83dx"), ("C-7", r"\ude00"), ("O-1001", r"a\udc00")]
    {
        let text = submit_order().to_string().replacen(place, half, 1);
        assert!(text.contains(half), "the sample has no {place}");
        let problem = api.send(Request::structured(&text)).await.refused("malformed-event");
        assert!(problem.detail.contains("half of a surrogate pair"), "{problem:#?}");
    }
    api.assert_nothing_queued();
}

#[tokio::test]
async fn a_subject_that_urls_lose_is_refused() {
    let api = Api::new();
    for subject in [".", ".."] {
        for request in [
            Request::structured(&of(&json!({ "subject": subject }))),
            Request::binary(&of(&json!({ "subject": subject }))),
        ] {
            let problem = api.send(request).await.refused("invalid-subject");
            assert!(problem.detail.contains("neither . nor .."), "{problem:#?}");
        }
        // In binary mode a value is percent-decoded.
        let mut binary = Request::binary(&of(&json!({ "subject": null })));
        binary = binary.header("ce-subject", &subject.replace('.', "%2e"));
        api.send(binary).await.refused("invalid-subject");
    }
    for subject in ["%2e%2e", ".%2E", "..%2f"] {
        api.send(Request::structured(&of(&json!({ "subject": subject })))).await.refused("invalid-subject");
    }
    api.assert_nothing_queued();
    for subject in ["...", ".a", "a..", "~"] {
        let event = of(&json!({ "id": subject, "subject": subject }));
        api.send(Request::structured(&event)).await.accepted();
    }
}

fn of(changes: &Value) -> Value {
    with(submit_order(), changes)
}

#[tokio::test]
async fn a_source_is_compared_as_its_uri_and_known_as_it_was_sent() {
    let api = Api::without_tenants();
    api.register_client("shop-client", "demo");
    let sources = ["https://shop.example/team-a/"];
    api.register_tenant("demo", &json!({ "grants": [{ "principals": ["*"], "types": ["*"], "sources": sources }] }));
    for source in [
        "https://shop.example/team-a/../team-b/x",
        "https://shop.example/team-a/%2e%2e/team-b/x",
        "https://shop.example/team-a/.%2E/team-b/x",
        "https://shop.example:443@evil.example/team-a/",
        "https://shop.example:pw@shop.example/team-a/",
        "https://shop.example:8443/team-a/x",
        "https://shop.example/team-a",
        "../team-a/x",
    ] {
        api.send(Request::structured(&of(&json!({ "source": source })))).await.refused("not-permitted");
    }
    api.assert_nothing_queued();

    let mut keys = Vec::new();
    for source in ["https://shop.example/team-a/x", "HTTPS://Shop.example:443/team%2da/./x"] {
        let answer = api.send(Request::structured(&of(&json!({ "source": source })))).await.accepted();
        assert!(!keys.contains(&answer.operation()));
        keys.push(answer.operation());
    }
    let queued: Vec<_> = api.queued("orders").iter().map(|message| message.deduplication_id.clone()).collect();
    assert!(queued.len() == 2 && queued[0] != queued[1], "two sources are two commands: {queued:?}");
}
