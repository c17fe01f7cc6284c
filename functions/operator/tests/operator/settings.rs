//! What the function does not start without.

use lambda::settings::Environment;
use operator::Desk;
use testkit::Aws;

const GOOD: [(&str, &str); 11] = [
    ("REGISTRY_TABLE", "registry"),
    ("PARKED_TABLE", "parked"),
    ("OPERATIONS_TABLE", "operations"),
    ("EVENTS_TABLE", "events"),
    ("READ_MODELS_TABLE", "read-models"),
    ("TIMERS_TABLE", "timers"),
    ("WEBHOOKS_TABLE", "webhooks"),
    ("RECEIPT_KEY_SECRET", "arn:aws:secretsmanager:eu-central-1:1:secret:receipt-key"),
    ("PUBLIC_URL", "https://api.example"),
    ("OPERATION_RETENTION_DAYS", "90"),
    ("QUEUES", "https://sqs.example/1/waybill-"),
];

fn start(environment: &Environment) -> Result<Desk, String> {
    let aws = Aws::new();
    Desk::from_environment(environment, aws.dynamodb(), aws.sqs(), aws.secrets_manager(), aws.cloudwatch())
        .map_err(|error| error.to_string())
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
async fn a_context_needs_no_setting_of_its_own() {
    let desk = start(&Environment::of(GOOD)).expect("it starts");
    for context in catalog::CONTEXTS {
        let queue = desk.queues.get(context.name).expect("its command queue");
        let expected = format!("https://sqs.example/1/waybill-{}-commands.fifo", context.name);
        assert_eq!(queue.as_ref(), Some(&expected));
        assert!(desk.dead_letters.contains_key(context.name));
    }
}
