//! A context is made in a copy of what it needs, and runs there.

use std::fs;

use super::*;
use crate::scaffold::copies::{copy, run};
use crate::scaffold::{read, write};

/// What a context is built from.
const NEEDED: &[&str] =
    &["events", "shared/kernel", "shared/spec", "shared/contexts", "shared/overviews", "shared/catalog"];

/// The contexts that there are, in the order in which loops list them.
fn contexts(root: &Path) -> Vec<String> {
    folders(&root.join("shared/contexts")).expect("contexts").iter().map(|folder| file_name(folder)).collect()
}

#[test]
fn a_new_context_passes_its_tests_and_those_of_the_catalog() {
    let root = copy("context-works", NEEDED);
    let before = contexts(&root);
    new_context(&root, "claims", None).expect("a context");
    new_context(&root, "parcels", Some("orders")).expect("a context that listens");
    for package in ["claims", "parcels"] {
        run(&root, &["fmt", "--check", "--package", package]);
    }
    // The catalog's tests send every context's sample commands through it, as a command handler would.
    let others = ["kernel", "spec", "customers"].into_iter().chain(before.iter().map(String::as_str));
    let all_but: Vec<&str> = others.flat_map(|other| ["--exclude", other]).collect();
    run(&root, &[&["test", "--offline", "--quiet", "--lib", "--workspace"], all_but.as_slice()].concat());

    for file in ["template.yaml", "observability.yaml"] {
        let listed = read(&root.join(file)).expect("a template");
        let lists = |contexts: &[String]| listed.contains(&format!("[{}]", contexts.join(", ")));
        assert!(lists(&contexts(&root)) && !lists(&before), "{file}");
    }
    let described = read(&root.join("openapi.yaml")).expect("a description");
    assert!(described.contains("| `claims` | `openedBy` |") && described.contains("- { name: openedBy, in: query"));
    let template = read(&root.join("template.yaml")).expect("a template");
    let listener = template.split("    Listener: ").nth(1).and_then(|row| row.split('}').next()).expect("a row");
    assert!(listener.contains("OrderSubmitted"), "{listener}");
    let refusal = new_context(&root, "loans", Some("nowhere")).expect_err("nobody to listen to");
    assert_eq!(refusal.to_string(), "there is no context nowhere to listen to");
    let again = new_context(&root, "claims", None).expect_err("it is there");
    assert_eq!(again.to_string(), "there is a context claims already");
}

#[test]
fn a_taken_name_is_refused_and_nothing_is_written() {
    let root = copy("context-refused", NEEDED);
    let refusal = |name: &str| new_context(&root, name, None).expect_err(name).to_string();
    let before = read(&root.join("Cargo.toml")).expect("a manifest");
    assert_eq!(refusal("orders"), "there is a context orders already");
    for package in ["kernel", "query", "serde"] {
        assert!(refusal(package).contains("is a package that this workspace has or uses"), "{package}");
    }
    for command in ["OpenClaim", "CloseLoan"] {
        fs::create_dir_all(root.join("events/schemas/others")).expect("a folder");
        write(&root.join(format!("events/schemas/others/{command}.1.json")), "{}").expect("written");
    }
    assert!(refusal("claims").contains("others has a message OpenClaim already"));
    assert!(refusal("loans").contains("others has a message CloseLoan already"));
    let projection = root.join("shared/contexts/policies/src/projection.rs");
    let renamed = read(&projection).expect("a projection").replace("= \"policies\"", "= \"covers\"");
    write(&projection, &renamed).expect("written");
    assert!(refusal("covers").contains("policies has a collection covers already"));
    assert!(refusal("console").contains("the API has a path of that name"));
    fs::create_dir_all(root.join("functions/claims")).expect("a folder");
    assert!(refusal("claims").contains("claims is a function, whose alarms are called so"));

    let template = read(&root.join("template.yaml")).expect("a template");
    let loops = format!("- [{}]", contexts(&root).join(", "));
    write(&root.join("template.yaml"), &template.replace(&loops, "- !Ref Contexts")).expect("written");
    assert!(refusal("parcels").contains("template.yaml is not as expected: enter parcels by hand"));
    assert_eq!(read(&root.join("Cargo.toml")).expect("a manifest"), before);
    assert!(!root.join("shared/contexts/parcels").exists());
}
