//! An overview is made in a copy of what it needs, and runs there.

use std::fs;

use super::*;
use crate::scaffold::copies::{copy, run};
use crate::scaffold::{file_name, folders, read, write};

/// What an overview is built from.
const NEEDED: &[&str] =
    &["events", "shared/kernel", "shared/spec", "shared/contexts", "shared/overviews", "shared/catalog"];

fn made(root: &Path, name: &str, of: &[&str], owners: &[&str]) -> Result<()> {
    let owned = |names: &[&str]| names.iter().map(ToString::to_string).collect::<Vec<_>>();
    new_overview(root, name, &owned(of), &owned(owners))
}

#[test]
fn a_new_overview_passes_its_tests_and_those_of_the_catalog() {
    let root = copy("overview-works", NEEDED);
    let others: Vec<String> = ["contexts", "overviews"]
        .iter()
        .flat_map(|kind| folders(&root.join("shared").join(kind)).expect("packages"))
        .map(|folder| file_name(&folder))
        .collect();
    let sources = ["orders", "orders/returns", "payments", "policies"];
    made(&root, "key-accounts", &sources, &["customer", "holder"]).expect("an overview");
    run(&root, &["fmt", "--check", "--package", "key-accounts", "--package", "catalog"]);
    // The catalog's tests hold what it reads of events against what contexts have published.
    let others = ["kernel", "spec"].into_iter().chain(others.iter().map(String::as_str));
    let all_but: Vec<&str> = others.flat_map(|other| ["--exclude", other]).collect();
    run(&root, &[&["test", "--offline", "--quiet", "--lib", "--workspace"], all_but.as_slice()].concat());

    let listed = read(&root.join("shared/catalog/src/lib.rs")).expect("the catalog");
    assert!(listed.contains("    customers::OVERVIEW,\n    key_accounts::OVERVIEW,\n];"), "{listed}");
    let orders = read(&root.join("shared/overviews/key-accounts/src/orders.rs")).expect("a source");
    assert!(orders.contains("OrderShipped(OrderShipped) = 2 <- 1: OrderShipped,"), "{orders}");
    let again = made(&root, "key-accounts", &sources, &["customer"]).expect_err("it is there");
    assert_eq!(again.to_string(), "there is an overview key-accounts already");
}

#[test]
fn what_cannot_be_is_refused_with_the_reason_and_nothing_is_written() {
    let root = copy("overview-refused", &["events", "shared/contexts", "shared/catalog"]);
    let before = read(&root.join("Cargo.toml")).expect("a manifest");
    let refusal = |name: &str, of: &[&str], owners: &[&str]| made(&root, name, of, owners).expect_err(name).to_string();
    for (name, reason) in [
        ("", "words of lower-case letters, 30 characters at most"),
        ("Buyers", "words of lower-case letters"),
        ("2nd-buyers", "words of lower-case letters"),
        ("buyers2", "words of lower-case letters"),
        ("../buyers", "words of lower-case letters"),
        ("dead-letters", "the API has a path of that name"),
        ("rebuilds", "the API has a path of that name"),
        ("self", "a word of Rust's"),
        ("aux", "Windows has a device"),
        ("orders", "orders has a collection orders already"),
        ("returns", "orders has a collection returns already"),
        ("customers", "there is an overview customers already"),
        ("serde", "is a package that this workspace has or uses"),
        ("serde-json", "is a package that this workspace has or uses"),
    ] {
        assert!(refusal(name, &["orders"], &["customer"]).contains(reason), "{name}");
    }
    for (of, owner, reason) in [
        ("nowhere", "customer", "there is no context \"nowhere\""),
        ("", "customer", "there is no context \"\""),
        ("../overviews", "customer", "there is no context \"..\""),
        ("orders/orders", "customer", "orders has no such type of aggregate beside its first"),
        ("orders/../returns", "customer", "orders has no such type of aggregate beside its first"),
        ("orders", "holder", "no event of orders has an owner holder"),
        ("orders", "placedAt", "in all versions; there are: customer"),
        ("orders/returns", "reason", "there are: customer, order"),
        ("checks", "run", "there are: none"),
    ] {
        let refusal = refusal("buyers", &[of], &[owner]);
        assert!(refusal.contains(reason), "{of}: {refusal}");
    }
    assert_eq!(refusal("buyers", &["orders", "orders"], &["customer"]), "orders is named twice");
    assert_eq!(read(&root.join("Cargo.toml")).expect("a manifest"), before);
    assert!(!root.join("shared/overviews/buyers").exists());

    let catalog = root.join("shared/catalog/src/lib.rs");
    let text = read(&catalog).expect("the catalog").replace("pub static OVERVIEWS", "static ALL");
    write(&catalog, &text).expect("written");
    assert!(refusal("buyers", &["orders"], &["customer"]).contains("is not as expected: enter buyers by hand"));
    fs::remove_dir_all(root).expect("removed");
}
