//! What the function does not start without.

use lambda::settings::Environment;
use testkit::Aws;
use webhook_api::Office;

const GOOD: [(&str, &str); 4] = [
    ("REGISTRY_TABLE", "registry"),
    ("WEBHOOKS_TABLE", "webhooks"),
    ("PUBLIC_URL", "https://api.example"),
    ("QUEUES", "https://sqs.example/1/waybill-"),
];

fn start(environment: &Environment) -> Result<(), String> {
    let aws = Aws::new();
    let office = Office::from_environment(environment, aws.dynamodb(), aws.sqs());
    office.map(drop).map_err(|error| error.to_string())
}

#[tokio::test]
async fn a_setting_that_is_missing_is_named() {
    let good = Environment::of(GOOD);
    start(&good).expect("it starts");
    for (name, _) in GOOD {
        assert!(start(&good.with([(name, "")])).err().is_some_and(|why| why.contains(name)), "{name}");
    }
}

#[tokio::test]
async fn origins_may_be_added_and_must_be_origins() {
    let with = |origins| start(&Environment::of(GOOD).with([("WEBHOOK_DESTINATIONS", origins)]));
    for origins in ["", "http://127.0.0.1:8080", "http://127.0.0.1:8080 https://hooks.corp.example"] {
        assert_eq!(with(origins), Ok(()), "{origins}");
    }
    for origins in ["hooks.corp.example", "https://hooks.corp.example/in", "ftp://hooks.corp.example"] {
        assert!(with(origins).err().is_some_and(|why| why.contains("WEBHOOK_DESTINATIONS")), "{origins}");
    }
}
