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

/// What libFuzzer wants to be told: each edge that is passed, and what is compared with what. As `cargo fuzz` asks for.
const INSTRUMENTED: &str = "-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares";

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

/// The folder with the targets' programs.
fn build(workspace: &Workspace) -> Result<PathBuf> {
    let fuzz = workspace.root.join("fuzz");
    fs::copy(workspace.root.join("Cargo.lock"), fuzz.join("Cargo.lock"))?;
    let (host, target) = (host()?, folder(workspace));
    let mut build = cargo();
    build
        .args(["build", "--release", "--bins", "--manifest-path"])
        .arg(fuzz.join("Cargo.toml"))
        .arg("--target-dir")
        .arg(&target)
        // Named, so that build scripts and macros, which run on this machine, are not instrumented.
        .args(["--target", &host])
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .env("RUSTFLAGS", INSTRUMENTED);
    processes::keep(&mut build).context("libFuzzer is built here too, by a C++ compiler")?;
    Ok(target.join(host).join("release"))
}

/// As rustc calls this machine.
fn host() -> Result<String> {
    let described = processes::keep(Command::new("rustc").arg("-vV"))?;
    let host = described.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(str::to_owned).context("rustc names its host")
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
