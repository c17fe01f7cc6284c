//! Fuzzing of the parsers that strangers reach: `fuzz/` has a target for each.
//!
//! By libFuzzer, guided by coverage. Its usual companion, `cargo fuzz`, wants a nightly compiler, for the sake of memory
//! checks that code without `unsafe` does not need; the instrumentation itself is in the stable compiler's LLVM.

mod seeds;

use std::fs;
use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::Instant;

use anyhow::{Context, Result};
use clap::Args;

use crate::processes;
use crate::steps::{Checks, step};
use crate::workspace::{Workspace, cargo};

const TARGETS: [&str; 8] =
    ["structured", "binary", "batch", "receipt", "cursor", "schema", "queue_message", "stream_record"];

#[derive(Args)]
pub struct Fuzzing {
    /// All of them, if none is named
    #[arg(value_parser = TARGETS)]
    name: Option<String>,
    /// How many inputs each is tried with
    #[arg(long, default_value_t = 100_000)]
    runs: u64,
}

pub fn fuzz(workspace: &Workspace, Fuzzing { name, runs }: &Fuzzing) -> Result<()> {
    let built = step("build the fuzz targets", || build(workspace))?;
    let mut checks = Checks::default();
    for target in TARGETS.into_iter().filter(|target| name.as_ref().is_none_or(|name| name == target)) {
        checks.check(target, || run(workspace, &built, target, *runs));
    }
    checks.summary()
}

/// A short run of each, all at once: each keeps one core busy.
pub fn smoke(workspace: &Workspace, runs: u64) -> Result<()> {
    let built = &step("build the fuzz targets", || build(workspace))?;
    thread::scope(|scope| {
        let runs = TARGETS.map(|target| scope.spawn(move || run(workspace, built, target, runs)));
        runs.into_iter().try_for_each(|run| run.join().unwrap_or_else(|panic| resume_unwind(panic)))
    })
}

/// The folder with the targets' programs. Our own crates are instrumented. All others are those of the tests, which are
/// built with the same features and in the same profile: `functions::build` says how.
fn build(workspace: &Workspace) -> Result<PathBuf> {
    let mut build = cargo();
    build
        .current_dir(&workspace.root)
        .args(["build", "--workspace", "--examples"])
        .args(TARGETS.iter().flat_map(|target| ["--bin", target]))
        .env("RUSTC_WORKSPACE_WRAPPER", workspace.root.join("fuzz/instrumented.sh"));
    processes::keep(&mut build).context("libFuzzer is built here too, by a C++ compiler")?;
    Ok(workspace.target.join("debug"))
}

fn folder(workspace: &Workspace) -> PathBuf {
    workspace.target.join("fuzz")
}

/// Tries a target with what earlier runs here have found, with the seeds, and with what comes of both.
fn run(workspace: &Workspace, built: &Path, target: &str, runs: u64) -> Result<()> {
    let found = folder(workspace).join("corpus").join(target);
    let seeds = folder(workspace).join("seeds").join(target);
    let findings = folder(workspace).join("findings").join(target);
    fs::create_dir_all(&found)?;
    fs::create_dir_all(&findings)?;
    seeds::write(&workspace.root, target, &seeds)?;
    let mut fuzzer = Command::new(built.join(target));
    fuzzer
        .arg(format!("-runs={runs}"))
        .arg(format!("-artifact_prefix={}/", findings.display()))
        .arg(format!("-dict={}", workspace.root.join("fuzz/words.dict").display()))
        // Seconds that one input may take, and bytes that it may have.
        .args(["-timeout=10", "-max_len=8192", "-verbosity=0"])
        .args([&found, &seeds]);
    let started = Instant::now();
    processes::keep(&mut fuzzer).with_context(|| format!("an input in {} breaks {target}", findings.display()))?;
    println!("{target}, {runs} runs: {} a second", runs / started.elapsed().as_secs().max(1));
    Ok(())
}
