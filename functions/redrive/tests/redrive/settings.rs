//! Settings: every queue has its dead letters, and a bad setting is named.

use lambda::settings::Environment;
use redrive::Redrive;
use testkit::{Aws, TABLES};

const GOOD: [(&str, &str); 13] = [
    ("QUEUE_orders", "https://sqs/orders.fifo"),
    ("DEAD_LETTERS_orders", "https://sqs/orders-dead.fifo"),
    ("QUEUE_read_model_updater", "https://sqs/updates"),
    ("DEAD_LETTERS_read_model_updater", "https://sqs/updates-dead"),
    ("OPERATIONS_TABLE", TABLES.operations),
    ("PARKED_TABLE", TABLES.parked),
    ("REGISTRY_TABLE", TABLES.registry),
    ("OPERATION_RETENTION_DAYS", "90"),
    ("MOST_ATTEMPTS", "10"),
    ("FIRST_BACK_OFF_SECONDS", "300"),
    ("LONGEST_BACK_OFF_SECONDS", "21600"),
    ("RATE", "100"),
    ("TENANT_CLAIM", "custom:tenant"),
];

/// As deployed.
pub fn redrive(aws: &Aws) -> Redrive {
    Redrive::from_environment(&Environment::of(GOOD), aws.dynamodb(), aws.sqs()).expect("settings")
}

#[test]
fn a_queue_named_after_a_context_holds_its_commands() {
    let redrive = redrive(&Aws::new());
    let routes: Vec<_> = redrive
        .routes
        .iter()
        .map(|route| (route.name.as_str(), route.context.is_some(), route.queue_url.as_str(), route.dead_letters.url()))
        .collect();
    assert_eq!(
        routes,
        [
            ("orders", true, "https://sqs/orders.fifo", "https://sqs/orders-dead.fifo"),
            ("read_model_updater", false, "https://sqs/updates", "https://sqs/updates-dead"),
        ]
    );
}

#[test]
fn what_is_missing_is_named() {
    for missing in GOOD.map(|(name, _)| name) {
        if missing.starts_with("QUEUE_") || missing == "TENANT_CLAIM" {
            continue; // a queue less, or the default
        }
        let environment = Environment::of(GOOD.map(|(name, value)| (name, if name == missing { "" } else { value })));
        let aws = Aws::new();
        let Err(refused) = Redrive::from_environment(&environment, aws.dynamodb(), aws.sqs()) else {
            panic!("it starts without {missing}");
        };
        assert!(refused.to_string().contains(missing), "{refused}");
    }
}
