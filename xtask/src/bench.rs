//! What the functions take, beside peers: see `docs/performance.md`.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};
use clap::Args;

use crate::processes;
use crate::steps::step;
use crate::tools::{Environment, NodePackages};
use crate::workspace::{Workspace, cargo};

/// The functions that are measured.
const FUNCTIONS: [&str; 6] = ["ingest", "command-handler", "publisher", "read-model-updater", "query", "redrive"];

/// Benchmarks in process, by their package.
const IN_PROCESS: [(&str, &str); 2] = [("admission", "admission"), ("rebuild", "fold")];

/// What the Node.js peer's handlers are bundled with: as Powertools' documentation has it, but for a later Node.js.
const BUNDLE: [&str; 6] =
    ["--bundle", "--minify", "--platform=node", "--target=node20", "--format=esm", "--out-extension:.js=.mjs"];

/// Older packages call `require`, which modules lack.
const REQUIRE: &str =
    "--banner:js=import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);";

#[derive(Args)]
pub struct Measuring {
    /// How often each function has its turn
    #[arg(long, default_value_t = 14)]
    rounds: u32,
}

pub fn bench(workspace: &Workspace, measuring: &Measuring) -> Result<()> {
    let benches = workspace.root.join("benches");
    let made = workspace.target.join("bench");
    fs::create_dir_all(&made)?;
    let python = step("install the Python peer", || Environment::of(workspace, "bench"))?;
    step("install and bundle the Node.js peer", || node(workspace, &benches.join("peers/node"), &made.join("node")))?;
    step("build the peers in Rust", || {
        let mut peers = cargo();
        peers.args(["build", "--quiet", "--release", "--locked", "--target-dir"]).arg(made.join("rust"));
        peers.arg("--manifest-path").arg(benches.join("peers/rust/Cargo.toml"));
        processes::keep(peers.current_dir(&workspace.root)).map(drop)
    })?;
    step("build the functions", || {
        let mut functions = cargo();
        functions.args(["build", "--quiet", "--release"]).current_dir(&workspace.root);
        processes::keep(functions.args(FUNCTIONS.iter().flat_map(|name| ["--package", name, "--bin", name]))).map(drop)
    })?;
    let in_process = made.join("in-process.md");
    step("measure in process", || {
        let mut measure = cargo();
        measure.args(["bench", "--quiet"]).current_dir(&workspace.root);
        measure.args(IN_PROCESS.iter().flat_map(|(package, name)| ["--package", package, "--bench", name]));
        Ok(fs::write(&in_process, processes::keep(&mut measure)?)?)
    })?;
    let mut driver = python.command("python");
    driver.arg("-B").arg(benches.join("bench.py")).args(["--rounds", &measuring.rounds.to_string()]);
    driver.arg("--functions").arg(workspace.target.join("release")).arg("--peers").arg(&made);
    driver.arg("--in-process").arg(&in_process).arg("--page").arg(workspace.root.join("docs/performance.md"));
    processes::show(&mut driver)
}

/// The peer's modules beside their packages, and its handlers bundled.
fn node(workspace: &Workspace, source: &Path, folder: &Path) -> Result<()> {
    let packages = NodePackages::locked_by(workspace, "bench-node", &source.join("package-lock.json"))?;
    fs::create_dir_all(folder)?;
    for file in fs::read_dir(source)? {
        let file = file?.path();
        fs::copy(&file, folder.join(file.file_name().context("a file has a name")?))?;
    }
    let modules = folder.join("node_modules");
    if fs::symlink_metadata(&modules).is_ok() {
        fs::remove_file(&modules)?;
    }
    symlink(&packages.modules, modules)?;
    let mut bundler: Command = packages.command("esbuild");
    bundler.args(["handler.mjs", "ingest.mjs", "projector.mjs", "--outdir=bundled", "--log-level=warning", REQUIRE]);
    processes::keep(bundler.args(BUNDLE).current_dir(folder)).map(drop)
}
