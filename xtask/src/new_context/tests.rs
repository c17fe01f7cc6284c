//! A context is made in a copy of what it needs, and runs there.

use std::time::SystemTime;

use super::*;
use crate::workspace::Workspace;

/// What a context is built from.
const NEEDED: &[&str] = &[
    "Cargo.toml",
    "Cargo.lock",
    "rustfmt.toml",
    "template.yaml",
    "events",
    "shared/kernel",
    "shared/contexts",
    "shared/catalog",
];

fn workspace() -> Workspace {
    Workspace::find().expect("the workspace")
}

/// A workspace of its own, of the library crates alone, always in the same place: so cargo builds only what changed.
fn copy(name: &str) -> PathBuf {
    let workspace = workspace();
    let root = workspace.target.join("new-context").join(name);
    if root.exists() {
        fs::remove_dir_all(&root).expect("removed");
    }
    for path in NEEDED {
        copy_all(&workspace.root.join(path), &root.join(path));
    }
    let manifest = read(&root.join("Cargo.toml")).expect("a manifest");
    let members = manifest.lines().find(|line| line.starts_with("members = ")).expect("members");
    let libraries = r#"members = ["shared/kernel", "shared/contexts/*", "shared/catalog"]"#;
    write(&root.join("Cargo.toml"), &manifest.replace(members, libraries)).expect("written");
    root
}

fn copy_all(from: &Path, to: &Path) {
    if from.is_dir() {
        for entry in fs::read_dir(from).expect("a folder") {
            let entry = entry.expect("an entry");
            copy_all(&entry.path(), &to.join(entry.file_name()));
        }
    } else {
        fs::create_dir_all(to.parent().expect("a folder")).expect("created");
        fs::copy(from, to).expect("copied");
        // Cargo goes by the time of change.
        let modified: SystemTime = fs::metadata(from).and_then(|file| file.modified()).expect("a time");
        fs::File::options().append(true).open(to).and_then(|file| file.set_modified(modified)).expect("set");
    }
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
    run(&root, &["test", "--offline", "--quiet", "--lib", "--package", "claims", "--package", "catalog"]);

    let listed = read(&root.join("template.yaml")).expect("a template");
    assert!(listed.contains("[claims, orders, policies]"), "the template deploys it");
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
    fs::create_dir_all(root.join("events/schemas/others")).expect("a folder");
    write(&root.join("events/schemas/others/OpenClaim.1.json"), "{}").expect("written");
    assert!(refusal("claims").contains("others has a message OpenClaim already"));

    let template = read(&root.join("template.yaml")).expect("a template");
    write(&root.join("template.yaml"), &template.replace("Names: [", "Names: (")).expect("written");
    assert!(refusal("parcels").contains("template.yaml is not as expected: enter parcels by hand"));
    assert_eq!(read(&root.join("Cargo.toml")).expect("a manifest"), before);
    assert!(!root.join("shared/contexts/parcels").exists());
}
