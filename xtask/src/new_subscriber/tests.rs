//! A subscriber is made in a copy of what it needs, and runs there.

use std::collections::BTreeMap;
use std::fs;

use super::*;
use crate::scaffold::copies::{copy, run};
use crate::scaffold::write;

/// What a subscriber is built from.
const NEEDED: &[&str] = &[
    "events",
    "shared/kernel",
    "shared/store",
    "shared/lambda",
    "shared/messaging",
    "shared/recovery",
    "shared/subscriber",
    "shared/testkit",
];

/// Every file below the folder, by its path there.
fn files(folder: &Path) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut open = vec![folder.to_owned()];
    while let Some(path) = open.pop() {
        if path.is_dir() {
            open.extend(fs::read_dir(&path).expect("a folder").map(|entry| entry.expect("an entry").path()));
        } else {
            let name = path.strip_prefix(folder).expect("it is below").to_string_lossy().into_owned();
            found.insert(name, read(&path).expect("text"));
        }
    }
    found
}

/// The lines of one text that the other lacks.
fn lines_more<'a>(of: &'a str, than: &str) -> Vec<&'a str> {
    let mut than: Vec<&str> = than.lines().collect();
    let is_more = |line: &&str| than.iter().position(|other| other == line).map(|at| than.swap_remove(at)).is_none();
    of.lines().filter(is_more).collect()
}

#[test]
fn a_new_subscriber_is_files_and_an_entry_and_runs() {
    let root = copy("subscriber-works", NEEDED);
    let before = files(&root);
    new_subscriber(&root, "price-list").expect("a subscriber");
    let after = files(&root);

    let made: Vec<&str> = after.keys().filter(|file| !before.contains_key(*file)).map(String::as_str).collect();
    let expected = ["Cargo.toml", "src/lib.rs", "src/main.rs", "tests/handling.rs"];
    assert_eq!(made, expected.map(|file| format!("functions/price-list/{file}")));

    // One row in each template, and the word in the one list that SAM wants written out; and the name that code knows.
    let row = "    PriceList: { Name: price-list";
    let lists = (
        "    - [Listener, NotificationSender, PaymentGateway, ReadModel, WebhookDispatcher]",
        "    - [Listener, NotificationSender, PaymentGateway, PriceList, ReadModel, WebhookDispatcher]",
    );
    let deployed = format!("{row}, Function: price-list, Table: EventsTable, Rights: [dynamodb:Query] }}");
    let watched =
        format!("{row}, Function: price-list, DeadLetters: price_list, Undelivered: price_list_subscription }}");
    let mut edited = BTreeMap::new();
    for (file, text) in before.iter().filter(|(file, text)| after[*file] != **text) {
        edited.insert(file.as_str(), (lines_more(text, &after[file]), lines_more(&after[file], text)));
    }
    let expected = [
        ("observability.yaml", (vec![lists.0], vec![&*watched, lists.1])),
        (
            "shared/messaging/src/queues.rs",
            (vec![], vec!["    Subscriber { name: \"price-list\", function: \"price-list\" },"]),
        ),
        ("template.yaml", (vec![lists.0], vec![&*deployed, lists.1])),
    ];
    assert_eq!(edited, expected.into());

    run(&root, &["fmt", "--check", "--package", "price-list"]);
    run(&root, &["test", "--offline", "--quiet", "--workspace", "--test", "handling"]);
    let again = new_subscriber(&root, "price-list").expect_err("it is there");
    assert_eq!(again.to_string(), "there is a subscriber price-list already");
}

#[test]
fn a_taken_name_is_refused_and_nothing_is_written() {
    let root = copy("subscriber-refused", &["shared/messaging"]);
    fs::create_dir_all(root.join("shared/contexts/orders")).expect("a folder");
    let before = files(&root);
    let refusal = |name: &str| new_subscriber(&root, name).expect_err(name).to_string();
    assert_eq!(refusal("read-model"), "there is a subscriber read-model already");
    for name in ["orders", "orders-parked", "orders-dead-letters-old"] {
        assert!(refusal(name).contains("an alarm of the context orders is called"), "{}", refusal(name));
    }
    for name in ["read-model-dead-letters", "read-model-copy"] {
        assert!(refusal(name).contains("resources of the subscriber read-model are called"), "{}", refusal(name));
    }
    for name in ["platform", "publisher", "api", "redrive-schedule", "infrastructure", "read"] {
        assert!(refusal(name).contains("the templates have resources whose names begin with"), "{}", refusal(name));
    }
    let template = read(&root.join("template.yaml")).expect("a template");
    write(
        &root.join("template.yaml"),
        &template.replace(
            "- [Listener, NotificationSender, PaymentGateway, ReadModel, WebhookDispatcher]",
            "- !Ref Subscribers",
        ),
    )
    .expect("written");
    assert!(refusal("order-mailer").contains("template.yaml is not as expected: enter order-mailer by hand"));
    write(&root.join("template.yaml"), &template).expect("written");
    assert_eq!(files(&root), before);
}
