//! Where requests may go.

use lambda::settings::Environment;
use webhook_sender::web;

#[test]
fn an_origin_that_cannot_be_read_is_named_by_its_setting() {
    assert!(web(&Environment::of([])).is_ok());
    assert!(
        web(&Environment::of([("WEBHOOK_DESTINATIONS", "http://127.0.0.1:8080 https://hooks.corp.example")])).is_ok()
    );
    let error =
        web(&Environment::of([("WEBHOOK_DESTINATIONS", "hooks.corp.example")])).map(drop).expect_err("no origin");
    assert!(error.to_string().contains("WEBHOOK_DESTINATIONS must be origins"), "{error}");
}
