//! What the office logs: who changed which endpoint, and neither its URL nor a secret.

use serde_json::{Value, json};
use testkit::{Fault, Log, Service};

use crate::api::{Api, client, delete, get, post, put};

const CRATES: [&str; 6] = ["webhook_api", "catalog", "kernel", "lambda", "messaging", "store"];

/// Part of a URL, of an aggregate's id, and of what people write.
const PRIVATE: &str = "Jane.Doe-4111111111111111";

fn lines(log: &Log, message: &str) -> Vec<Value> {
    log.lines().into_iter().filter(|line| line["message"] == message).collect()
}

#[tokio::test(start_paused = true)]
async fn a_change_is_logged_with_who_and_what_and_without_url_or_secret() {
    let (api, log) = (Api::new(), Log::default());
    let guard = log.begin(&CRATES);
    let url = format!("https://hooks.acme.example/{PRIVATE}");
    let own = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    let wish = json!({ "url": url, "description": PRIVATE, "secret": own });
    let registered = api.send(post("/webhooks?tenant=demo", &wish).by(client("root"))).await.json();
    let id = registered["id"].as_str().expect("an id");
    let target = |action: &str| format!("/webhooks/{id}{action}");
    let made = api.post(target("/secrets"), json!({})).await.json()["secret"].as_str().expect("a secret").to_owned();
    let stream = format!("orders/{PRIVATE}");
    for request in [
        put(target(""), &json!({ "url": url })),
        delete(target("/secrets")),
        post(target("/off"), &json!({ "because": PRIVATE })),
        post(target("/on"), &json!({})),
        post(target("/retry"), &json!({})),
        post(target("/resend"), &json!({ "from": "2020-01-15T09:00:00Z", "stream": stream })),
        delete(target("")),
    ] {
        assert!(api.send(request).await.status.is_success());
    }
    drop(guard);
    let text = log.text();
    for private in [PRIVATE, "hooks.acme", &own[6..], &made[6..]] {
        assert!(!text.contains(private), "{private} is in {text}");
    }
    for (message, operator) in [
        ("registered", "client:root"),
        ("a secret was added", "client:desk"),
        ("changed", "client:desk"),
        ("the older secret was removed", "client:desk"),
        ("switched off", "client:desk"),
        ("switched on", "client:desk"),
        ("retried", "client:desk"),
        ("resent", "client:desk"),
        ("removed", "client:desk"),
    ] {
        let [line] = &lines(&log, message)[..] else { panic!("not one {message} in {text}") };
        assert_eq!((&line["level"], &line["endpoint"]), (&json!("INFO"), &json!(id)));
        assert_eq!((&line["span"]["operator"], &line["span"]["tenant"]), (&json!(operator), &json!("demo")));
    }
}

#[tokio::test(start_paused = true)]
async fn refusals_and_failures_are_logged_without_what_was_refused() {
    let (api, log) = (Api::new(), Log::default());
    let id = api.endpoint().await;
    let guard = log.begin(&CRATES);
    for request in [
        post("/webhooks", &json!({ "url": format!("http://hooks.acme.example/{PRIVATE}"), "secret": PRIVATE })),
        post("/webhooks", &json!({ "url": PRIVATE, "types": [PRIVATE], "contexts": [PRIVATE], "payload": PRIVATE })),
        post("/webhooks", &json!({ PRIVATE: PRIVATE })),
        post(format!("/webhooks/{id}/resend"), &json!({ "from": PRIVATE, "stream": PRIVATE })),
        post(format!("/webhooks/{id}/off"), &json!({ "because": format!("{PRIVATE}\n").repeat(9) })),
        get(format!("/webhooks/{id}/deliveries?cursor={PRIVATE}")),
        get(format!("/webhooks/{PRIVATE}")),
        get(format!("/webhooks?tenant={PRIVATE}")),
    ] {
        assert!(api.send(request).await.status.is_client_error());
    }
    api.aws.inject(
        |attempt| {
            if attempt.service == Service::Sqs { Fault::refuse(500, "InternalError") } else { Fault::None }
        },
    );
    let target = format!("/webhooks/{id}");
    api.send(put(target, &json!({ "url": format!("https://hooks.acme.example/{PRIVATE}") }))).await.ok();
    drop(guard);
    let text = log.text();
    assert!(!text.contains(PRIVATE) && !text.contains("hooks.acme"), "{text}");
    let late = lines(&log, "the sender was not told, and looks at it later");
    assert_eq!((late.len(), &late[0]["level"], &late[0]["endpoint"]), (1, &json!("WARN"), &json!(id)));
    assert_eq!(lines(&log, "refused").len(), 8);
}
