//! A context is made in a copy of what it needs, and runs there.

use std::time::SystemTime;

use super::*;
use crate::workspace::Workspace;

/// What a context is built from.
const NEEDED: &[&str] = &["events", "shared/kernel", "shared/spec", "shared/contexts", "shared/catalog"];

fn workspace() -> Workspace {
    Workspace::find().expect("the workspace")
}

/// A copy of the workspace, to be built in the same target folder: dependencies are there already.
///
/// Packages that a context does not need have no code in it. They are there for what they depend on, or the
/// dependencies would have other features and be built again. And every package has another version, or cargo, which
/// knows a workspace's packages by their path within it, would take what it builds here for the workspace's own.
fn copy(name: &str) -> PathBuf {
    let workspace = workspace();
    let root = workspace.target.join("new-context").join(name);
    if root.exists() {
        fs::remove_dir_all(&root).expect("removed");
    }
    for path in [
        "Cargo.toml",
        "Cargo.lock",
        "rustfmt.toml",
        "template.yaml",
        "observability.yaml",
        "openapi.yaml",
        "functions",
        "shared",
        "tests",
        "xtask",
    ] {
        copy_all(&workspace.root.join(path), &root.join(path), &copy_without_code);
    }
    for path in NEEDED {
        copy_all(&workspace.root.join(path), &root.join(path), &copy_file);
    }
    let manifest = read(&root.join("Cargo.toml")).expect("a manifest");
    let other =
        manifest.replacen("[workspace.package]\nversion = \"", "[workspace.package]\nversion = \"999.0.0\" # \"", 1);
    assert_ne!(other, manifest, "every package has its version from the workspace");
    write(&root.join("Cargo.toml"), &other).expect("written");
    root
}

fn copy_all(from: &Path, to: &Path, copy: &dyn Fn(&Path, &Path)) {
    if from.is_dir() {
        for entry in fs::read_dir(from).expect("a folder") {
            let entry = entry.expect("an entry");
            copy_all(&entry.path(), &to.join(entry.file_name()), copy);
        }
    } else {
        fs::create_dir_all(to.parent().expect("a folder")).expect("created");
        copy(from, to);
    }
}

fn copy_without_code(from: &Path, to: &Path) {
    match from.extension().and_then(|extension| extension.to_str()) {
        Some("rs") => {
            let main = if from.ends_with("main.rs") { "fn main() {}\n" } else { "" };
            write(to, main).expect("written");
            set_modified(to, SystemTime::UNIX_EPOCH);
        }
        Some("toml" | "lock" | "yaml") => copy_file(from, to),
        _ => {}
    }
}

fn copy_file(from: &Path, to: &Path) {
    fs::copy(from, to).expect("copied");
    set_modified(to, fs::metadata(from).and_then(|file| file.modified()).expect("a time"));
}

/// Cargo goes by the time of change.
fn set_modified(file: &Path, time: SystemTime) {
    fs::File::options().append(true).open(file).and_then(|file| file.set_modified(time)).expect("set");
}

fn run(root: &Path, arguments: &[&str]) {
    let mut command = cargo();
    command.current_dir(root).env("CARGO_TARGET_DIR", workspace().target).args(arguments);
    if let Err(error) = processes::keep(&mut command) {
        panic!("{}", crate::steps::told(&error));
    }
}

#[test]
fn a_new_context_passes_its_tests_and_those_of_the_catalog() {
    let root = copy("works");
    new_context(&root, "claims").expect("a context");
    run(&root, &["fmt", "--check", "--package", "claims"]);
    // The catalog's tests send every context's sample commands through it, as a command handler would.
    let others = ["kernel", "spec", "checks", "orders", "policies"];
    let all_but: Vec<&str> = others.iter().flat_map(|other| ["--exclude", other]).collect();
    run(&root, &[&["test", "--offline", "--quiet", "--lib", "--workspace"], all_but.as_slice()].concat());

    for file in ["template.yaml", "observability.yaml"] {
        let listed = read(&root.join(file)).expect("a template");
        assert!(
            listed.contains("[checks, claims, orders, policies]") && !listed.contains("[checks, orders, policies]"),
            "{file}"
        );
    }
    let described = read(&root.join("openapi.yaml")).expect("a description");
    assert!(described.contains("| `claims` | `openedBy` |") && described.contains("- { name: openedBy, in: query"));
    let again = new_context(&root, "claims").expect_err("it is there");
    assert_eq!(again.to_string(), "there is a context claims already");
}

#[test]
fn a_taken_name_is_refused_and_nothing_is_written() {
    let root = copy("refuses");
    let refusal = |name: &str| new_context(&root, name).expect_err(name).to_string();
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

    let template = read(&root.join("template.yaml")).expect("a template");
    write(&root.join("template.yaml"), &template.replace("- [checks, orders, policies]", "- !Ref Contexts"))
        .expect("written");
    assert!(refusal("parcels").contains("template.yaml is not as expected: enter parcels by hand"));
    assert_eq!(read(&root.join("Cargo.toml")).expect("a manifest"), before);
    assert!(!root.join("shared/contexts/parcels").exists());
}
