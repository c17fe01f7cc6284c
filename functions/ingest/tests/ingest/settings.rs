//! What ingest does not start without.

use ingest::Ingest;
use lambda::settings::Environment;
use testkit::Aws;

/// Why it does not start with these variables.
fn refusal<const N: usize>(variables: [(&str, &str); N]) -> String {
    let aws = Aws::new();
    match Ingest::from_environment(&Environment::of(variables), aws.dynamodb(), aws.sqs(), aws.secrets_manager()) {
        Ok(_) => panic!("it starts with {variables:?}"),
        Err(refusal) => refusal.to_string(),
    }
}

#[tokio::test]
async fn a_setting_that_is_missing_or_wrong_is_named() {
    let table = ("REGISTRY_TABLE", "r");
    assert!(refusal([]).contains("REGISTRY_TABLE is not set"), "{}", refusal([]));
    assert!(refusal([table]).contains("QUEUES is not set"), "{}", refusal([table]));
    let known = [
        table,
        ("QUEUES", "https://sqs.example/"),
        ("PUBLIC_URL", "https://api.example"),
        ("RECEIPT_KEY_SECRET", "arn"),
    ];
    let limit = |value| [known[0], known[1], known[2], known[3], ("TENANT_COMMANDS_PER_SECOND", value)];
    for (value, why) in [("", "is not set"), ("0", "zero"), ("many", "invalid"), ("-1", "invalid"), ("1.5", "invalid")]
    {
        let refusal = refusal(limit(value));
        assert!(refusal.contains("TENANT_COMMANDS_PER_SECOND") && refusal.contains(why), "{refusal}");
    }
}

#[tokio::test]
async fn a_topic_that_may_send_has_a_queue_and_an_arn_that_can_be_recorded() {
    let aws = Aws::new();
    let refusal = |environment: &Environment| {
        let ingest = Ingest::from_environment(environment, aws.dynamodb(), aws.sqs(), aws.secrets_manager());
        ingest.err().map(|refusal| refusal.to_string()).unwrap_or_default()
    };
    let environment = bench::platform::environment().with([("PARTNER_TOPIC", "arn:aws:sns:eu-west-1:1:t")]);
    assert!(refusal(&environment).contains("QUEUE is not set"));
    let long = format!("arn:aws:sns:eu-west-1:1:{}", "t".repeat(256));
    assert!(refusal(&environment.with([("PARTNER_TOPIC", &long)])).contains("PARTNER_TOPIC must have 1 to 255 bytes"));
}
