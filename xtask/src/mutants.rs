//! Mutation tests: small faults that are put into the code, one at a time, to see whether a test notices.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use clap::Args;

use crate::processes::{self, Group};
use crate::steps::step;
use crate::tools::{MUTANTS, from_cargo, path_to_nextest};
use crate::workspace::{Package, TESTS, Workspace};

/// Of the package `tests`, those that send commands through the product's code.
const THROUGH_ALL: [&str; 3] = ["recovery", "recorded", "simulation"];

/// A mutant may loop for ever. Its tests have five times as many seconds as they take without it, and so many at least.
const LEAST_TEST_SECONDS: &str = "30";
const MOST_BUILD_SECONDS: &str = "600";

/// `cargo-mutants` ends with these where mutants were missed, or ran out of time. All others are failures of its own.
const MISSED: [i32; 2] = [2, 3];

#[derive(Args)]
pub struct Asked {
    /// A source file, a folder or a package, as in `functions/redrive/src/triage.rs` or `redrive`
    path: PathBuf,
    /// Only with the package's own tests
    #[arg(long)]
    own: bool,
}

/// Tries each mutant with the tests of its own package; and those that are missed there, with the tests that send
/// commands through all packages.
pub fn mutants(workspace: &Workspace, asked: &Asked) -> Result<()> {
    let (package, files) = sources(workspace, &asked.path)?;
    let run = Run {
        tool: step("install cargo-mutants", || from_cargo(workspace, MUTANTS))?,
        path: path_to_nextest(workspace)?,
        folder: workspace.target.join("mutants"),
        root: &workspace.root,
        package,
        files,
    };
    let mut found = Found::default();
    let own: Vec<_> = package.tests.iter().map(String::as_str).collect();
    println!("with the tests of {}", package.name);
    found.add(&run.with_tests_of(&package.name, &["--lib", "--bins"], &own, Again::All)?);
    let is_product = ["functions", "shared"].iter().any(|it| package.folder.starts_with(workspace.root.join(it)));
    if is_product && !asked.own && !found.missed.is_empty() {
        println!("what these missed, with {} of the package {TESTS}", THROUGH_ALL.join(", "));
        // Both are tried again.
        found.missed.clear();
        found.timed_out.clear();
        found.add(&run.with_tests_of(TESTS, &[], &THROUGH_ALL, Again::Missed)?);
    }
    found.tell();
    ensure!(found.missed.is_empty(), "{} mutants were missed", found.missed.len());
    Ok(())
}

/// The package that the path is in, and the path within the workspace, as a pattern. A package's name stands for its
/// folder.
fn sources<'a>(workspace: &'a Workspace, path: &Path) -> Result<(&'a Package, String)> {
    let named = workspace.packages.iter().find(|package| Path::new(&package.name) == path);
    let path = named.map_or(path, |package| &package.folder);
    let whole = fs::canonicalize(path).with_context(|| path.display().to_string())?;
    let around = workspace.packages.iter().filter(|package| whole.starts_with(&package.folder));
    // The innermost one.
    let package = around.max_by_key(|package| package.folder.as_os_str().len());
    let package = package.with_context(|| format!("{} is in no package", path.display()))?;
    let within = whole.strip_prefix(fs::canonicalize(&workspace.root)?)?.display().to_string();
    Ok((package, if whole.is_dir() { format!("{within}/**") } else { within }))
}

/// Which mutants are tried.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Again {
    All,
    /// Those that the run before has missed.
    Missed,
}

struct Run<'a> {
    tool: PathBuf,
    path: OsString,
    folder: PathBuf,
    root: &'a Path,
    package: &'a Package,
    files: String,
}

impl Run<'_> {
    /// Gives the folder with the lists of what was found.
    fn with_tests_of(&self, package: &str, targets: &[&str], tests: &[&str], again: Again) -> Result<PathBuf> {
        let (temporary, output) = (self.folder.join("tmp"), self.folder.join("found"));
        fs::create_dir_all(&temporary)?;
        let mut command = Command::new(&self.tool);
        command
            .args(["mutants", "--no-shuffle", "--jobs", "1", "--test-tool", "nextest", "--test-package", package])
            .args(["--package", &self.package.name, "--file", &self.files])
            .args(["--minimum-test-timeout", LEAST_TEST_SECONDS, "--build-timeout", MOST_BUILD_SECONDS])
            .args(targets.iter().map(|target| format!("--cargo-arg={target}")))
            .args(tests.iter().map(|test| format!("--cargo-arg=--test={test}")))
            .arg("--output")
            .arg(&output)
            .current_dir(self.root)
            .env("PATH", &self.path)
            // The code is mutated in a copy. It is built in one folder, so dependencies are built once for all runs.
            .env("TMPDIR", &temporary)
            .env("CARGO_TARGET_DIR", self.folder.join("target"));
        if again == Again::Missed {
            command.arg("--iterate");
        } else if output.exists() {
            fs::remove_dir_all(&output)?;
        }
        let status = Group::spawn(&mut command)?.leader.wait()?;
        processes::wait_if_stopping();
        if !status.success() && !status.code().is_some_and(|code| MISSED.contains(&code)) {
            bail!("cargo-mutants ended with {status}");
        }
        Ok(output.join("mutants.out"))
    }
}

/// The mutants, by what became of them.
#[derive(Default)]
struct Found {
    caught: Vec<String>,
    missed: Vec<String>,
    /// Whose tests did not end.
    timed_out: Vec<String>,
    /// Which do not compile.
    unviable: Vec<String>,
}

impl Found {
    fn add(&mut self, lists: &Path) {
        let read = |list: &str| {
            let text = fs::read_to_string(lists.join(list)).unwrap_or_default();
            text.lines().map(str::to_owned).collect::<Vec<_>>()
        };
        self.caught.extend(read("caught.txt"));
        self.missed.extend(read("missed.txt"));
        self.timed_out.extend(read("timeout.txt"));
        self.unviable.extend(read("unviable.txt"));
    }

    fn tell(&self) {
        for (what, mutants) in [
            ("caught", &self.caught),
            ("not viable: they do not compile", &self.unviable),
            ("timed out: their tests did not end", &self.timed_out),
            ("missed: no test noticed", &self.missed),
        ] {
            println!("\n{} {what}", mutants.len());
            for mutant in mutants {
                println!("  {mutant}");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_a_folder_and_a_package_are_found_in_the_workspace() -> Result<()> {
        let workspace = Workspace::find()?;
        let found = |path: &str| -> Result<(&str, String)> {
            let (package, files) = sources(&workspace, Path::new(path))?;
            Ok((package.name.as_str(), files))
        };
        let within = |path: &str| format!("{}/{path}", workspace.root.display());
        let triage = "functions/redrive/src/triage.rs";
        assert_eq!(found(&within(triage))?, ("redrive", triage.to_owned()));
        let contexts = "shared/contexts/orders/src";
        assert_eq!(found(&within(contexts))?, ("orders", format!("{contexts}/**")));
        let model = "tests/protocol/state.rs";
        assert_eq!(found(&within(model))?, ("protocol", model.to_owned()));
        assert_eq!(found("redrive")?, ("redrive", "functions/redrive/**".to_owned()));
        assert!(found("nowhere").is_err() && found(&within("docs")).is_err());
        Ok(())
    }
}
