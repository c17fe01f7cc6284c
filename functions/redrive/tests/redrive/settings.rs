//! Settings: a queue prefix stands for every queue and its dead letters, and a bad setting is named.

use lambda::settings::Environment;
use messaging::Queues;
use redrive::Redrive;
use testkit::{Aws, TABLES};

const GOOD: [(&str, &str); 11] = [
    ("QUEUES", "https://sqs/shop-"),
    ("OPERATIONS_TABLE", TABLES.operations),
    ("PARKED_TABLE", TABLES.parked),
    ("REGISTRY_TABLE", TABLES.registry),
    ("MOST_ATTEMPTS", "10"),
    ("FIRST_BACK_OFF_SECONDS", "300"),
    ("LONGEST_BACK_OFF_SECONDS", "21600"),
    ("RATE", "100"),
    ("PUBLIC_URL", "https://api.example"),
    ("OPERATION_RETENTION_DAYS", "90"),
    ("TENANT_CLAIM", "custom:tenant"),
];

/// As deployed.
pub fn redrive(aws: &Aws) -> Redrive {
    Redrive::from_environment(&Environment::of(GOOD), aws.dynamodb(), aws.sqs()).expect("settings")
}

#[test]
fn every_context_has_its_queue_and_no_setting_of_its_own() {
    let redrive = redrive(&Aws::new());
    for context in catalog::CONTEXTS {
        let route = redrive.ways.iter().find(|route| route.name == context.name).expect("a route");
        assert_eq!(route.context.map(|context| context.name), Some(context.name), "these are commands");
        assert_eq!(route.queue_url, format!("https://sqs/shop-{}-commands.fifo", context.name));
        assert_eq!(route.dead_letters.url(), format!("https://sqs/shop-{}-dead-letters.fifo", context.name));
    }
    let others: Vec<_> = redrive.ways.iter().filter(|route| route.context.is_none()).map(|r| &r.name).collect();
    let expected: Vec<_> = Queues::new("https://sqs/shop-").pairs([]).into_iter().map(|pair| pair.name).collect();
    assert_eq!(others, expected.iter().collect::<Vec<_>>());
    for name in ["publisher", "read_model_subscription", "read_model_updater"] {
        assert!(expected.iter().any(|other| other == name), "{name} is not among {expected:?}");
    }
}

#[test]
fn what_is_missing_is_named() {
    for missing in GOOD.map(|(name, _)| name) {
        if missing == "TENANT_CLAIM" {
            continue; // it has a default
        }
        let environment = Environment::of(GOOD.map(|(name, value)| (name, if name == missing { "" } else { value })));
        let aws = Aws::new();
        let Err(refused) = Redrive::from_environment(&environment, aws.dynamodb(), aws.sqs()) else {
            panic!("it starts without {missing}");
        };
        assert!(refused.to_string().contains(missing), "{refused}");
    }
}
