//! For tests: a copy of the workspace, in which something new is made, built and run.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::{read, write};
use crate::processes;
use crate::workspace::{Workspace, cargo};

fn workspace() -> Workspace {
    Workspace::find().expect("the workspace")
}

/// A copy of the workspace, to be built in the same target folder: dependencies are there already.
///
/// Packages that are not needed have no code in it. They are there for what they depend on, or the
/// dependencies would have other features and be built again. And every package has a version of the copy's own, or
/// cargo, which knows a workspace's packages by their path within it, would take what it builds here for the workspace's, or
/// for another copy's, in which other packages have no code.
pub fn copy(name: &str, needed: &[&str]) -> PathBuf {
    let workspace = workspace();
    let root = workspace.target.join("scaffold").join(name);
    if root.exists() {
        fs::remove_dir_all(&root).expect("removed");
    }
    for path in [
        "Cargo.toml",
        "Cargo.lock",
        "rustfmt.toml",
        "template.yaml",
        "observability.yaml",
        "export.yaml",
        "live.yaml",
        "pages.yaml",
        "openapi.yaml",
        "functions",
        "fuzz",
        "shared",
        "tests",
        "xtask",
    ] {
        copy_all(&workspace.root.join(path), &root.join(path), &copy_without_code);
    }
    for path in needed {
        copy_all(&workspace.root.join(path), &root.join(path), &copy_file);
    }
    let manifest = read(&root.join("Cargo.toml")).expect("a manifest");
    let version = format!("[workspace.package]\nversion = \"999.0.0-{name}\" # \"");
    let other = manifest.replacen("[workspace.package]\nversion = \"", &version, 1);
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

pub fn run(root: &Path, arguments: &[&str]) {
    let mut command = cargo();
    command.current_dir(root).env("CARGO_TARGET_DIR", workspace().target).args(arguments);
    if let Err(error) = processes::keep(&mut command) {
        panic!("{}", crate::steps::told(&error));
    }
}
