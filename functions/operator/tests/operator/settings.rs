//! What the function does not start without.

use lambda::settings::Environment;
use operator::Desk;
use testkit::Aws;

/// All that it needs, but for the variable of this name.
fn without(missing: &str) -> Environment {
    let contexts = catalog::CONTEXTS.iter().flat_map(|context| {
        let name = context.name;
        [(format!("QUEUE_{name}"), "q.fifo".to_owned()), (format!("DEAD_LETTERS_{name}"), "d.fifo".to_owned())]
    });
    let others = [
        ("REGISTRY_TABLE", "registry"),
        ("PARKED_TABLE", "parked"),
        ("OPERATIONS_TABLE", "operations"),
        ("PUBLIC_URL", "https://api.example"),
        ("OPERATION_RETENTION_DAYS", "90"),
    ];
    let others = others.map(|(name, value)| (name.to_owned(), value.to_owned()));
    contexts.chain(others).filter(|(name, _)| name != missing).collect()
}

fn start(environment: &Environment) -> Result<Desk, String> {
    let aws = Aws::new();
    Desk::from_environment(environment, aws.dynamodb(), aws.sqs()).map_err(|error| error.to_string())
}

#[tokio::test]
async fn a_setting_that_is_missing_is_named() {
    start(&without("nothing")).expect("it starts");
    let context = catalog::CONTEXTS[0].name;
    for name in ["REGISTRY_TABLE", "PARKED_TABLE", "OPERATIONS_TABLE", "PUBLIC_URL", "OPERATION_RETENTION_DAYS"] {
        assert!(start(&without(name)).err().is_some_and(|why| why.contains(name)), "{name}");
    }
    for name in [format!("QUEUE_{context}"), format!("DEAD_LETTERS_{context}")] {
        assert!(start(&without(&name)).err().is_some_and(|why| why.contains(&name)), "{name}");
    }
}

#[tokio::test]
async fn the_console_may_have_no_sign_in_but_no_impossible_one() {
    let with = |url: &str| {
        let sign_in = [("CONSOLE_CLIENT_ID", "c"), ("CONSOLE_SIGN_IN_URL", url)];
        let sign_in = sign_in.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let contexts = catalog::CONTEXTS.iter().map(|context| context.name);
        let queues = contexts.flat_map(|name| [format!("QUEUE_{name}"), format!("DEAD_LETTERS_{name}")]);
        let others = ["REGISTRY_TABLE", "PARKED_TABLE", "OPERATIONS_TABLE", "PUBLIC_URL"].map(str::to_owned);
        let all = queues.chain(others).map(|name| (name, "x".to_owned())).chain(sign_in);
        all.chain([("OPERATION_RETENTION_DAYS".to_owned(), "90".to_owned())]).collect::<Environment>()
    };
    assert_eq!(start(&without("nothing")).expect("it starts").sign_in, None);
    assert_eq!(start(&with("")).expect("it starts").sign_in, None);
    assert!(start(&with("https://auth.example")).expect("it starts").sign_in.is_some());
    for url in ["auth.example", "https://auth.example;script-src *", "javascript:alert(1)"] {
        assert!(start(&with(url)).err().is_some_and(|why| why.contains("CONSOLE_SIGN_IN_URL")), "{url}");
    }
}
