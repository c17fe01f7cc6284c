//! Where things are: the checkout, the target folder, the functions.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use serde_json::Value;

/// The package with the tests that no single crate is the place for, and its folder.
pub const TESTS: &str = "tests";

/// Test binary whose tests need a deployed local stack.
pub const END_TO_END: &str = "end_to_end";

pub struct Workspace {
    pub root: PathBuf,
    /// Cargo's target folder, wherever the environment or a configuration puts it.
    pub target: PathBuf,
    /// Packages under `functions/`. Each has one binary, of the package's name.
    pub functions: Vec<String>,
    pub packages: Vec<Package>,
}

/// A package of this workspace.
pub struct Package {
    pub name: String,
    pub folder: PathBuf,
    /// Names of its test binaries, without those in its library and its programs.
    pub tests: Vec<String>,
}

impl Workspace {
    pub fn find() -> Result<Self> {
        let output = cargo().args(["metadata", "--no-deps", "--format-version=1"]).output()?;
        if !output.status.success() {
            bail!("cargo metadata: {}", String::from_utf8_lossy(&output.stderr));
        }
        let metadata: Value = serde_json::from_slice(&output.stdout)?;
        let path = |field: &str| {
            let path = metadata[field].as_str().map(PathBuf::from);
            path.with_context(|| format!("cargo metadata has no {field}"))
        };
        let root = path("workspace_root")?;
        let packages: Vec<Package> = elements(&metadata["packages"]).map(Package::of).collect();
        let functions = packages.iter().filter(|package| package.folder.starts_with(root.join("functions")));
        Ok(Self {
            target: path("target_directory")?,
            functions: functions.map(|package| package.name.clone()).collect(),
            packages,
            root,
        })
    }

    /// Everything the local stack leaves behind.
    pub fn local_stack(&self) -> PathBuf {
        self.target.join("local-stack")
    }
}

impl Package {
    /// As `cargo metadata` describes it.
    fn of(package: &Value) -> Self {
        let is_test = |target: &&Value| elements(&target["kind"]).any(|kind| kind == "test");
        Self {
            name: text(&package["name"]).to_owned(),
            folder: Path::new(text(&package["manifest_path"])).with_file_name(""),
            tests: elements(&package["targets"]).filter(is_test).map(|test| text(&test["name"]).to_owned()).collect(),
        }
    }
}

/// The cargo that runs this task, so that a toolchain chosen for it is kept.
///
/// Without what `cargo run` told this task of its own package: build scripts that look at such variables (ring's does)
/// would run again, and everything behind them be built again, whenever a task and a plain `cargo build` alternate.
pub fn cargo() -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    let of_package = |name: &str| {
        name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_") || name.starts_with("CARGO_BIN_")
    };
    for name in env::vars_os().filter_map(|(name, _)| name.into_string().ok()).filter(|name| of_package(name)) {
        command.env_remove(name);
    }
    command
}

fn elements(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
