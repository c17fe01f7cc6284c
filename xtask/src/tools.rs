//! Tools that the tasks bring along, below the target folder.
//!
//! Python ones in several virtual environments, because what the tools pin disagrees. They come from the package
//! index that pip is configured for, at the versions in `requirements/`. The test runner comes from cargo's.

use std::env;
use std::ffi::OsString;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::processes;
use crate::steps::step;
use crate::workspace::{Workspace, cargo};

const NEXTEST: &str = "cargo-nextest@0.9.143";

/// An installed environment.
pub struct Environment {
    bin: PathBuf,
}

impl Environment {
    /// The environment of `requirements/<name>.txt`; installed now if there is none yet, or if the file has
    /// changed since.
    pub fn of(workspace: &Workspace, name: &str) -> Result<Self> {
        let requirements = workspace.root.join("requirements").join(name).with_extension("txt");
        let wanted = fs::read_to_string(&requirements).with_context(|| requirements.display().to_string())?;
        let tools = workspace.target.join("tools");
        fs::create_dir_all(&tools)?;
        // Held while installing: another task of this checkout may want the same.
        let lock = File::create(tools.join(name).with_extension("lock"))?;
        lock.lock()?;
        let folder = tools.join(name);
        let installed = folder.join("requirements.txt");
        if fs::read_to_string(&installed).ok().as_deref() != Some(&wanted) {
            install(&folder, &requirements)?;
            fs::write(installed, wanted)?;
        }
        Ok(Self { bin: folder.join("bin") })
    }

    pub fn command(&self, program: &str) -> Command {
        Command::new(self.bin.join(program))
    }
}

/// A `PATH` on which there is `cargo nextest`: as it is, if that works already, else with one of our own in front.
pub fn path_to_nextest(workspace: &Workspace) -> Result<OsString> {
    let path = env::var_os("PATH").unwrap_or_default();
    if processes::keep(cargo().args(["nextest", "--version"])).is_ok() {
        return Ok(path);
    }
    let folder = workspace.target.join("tools/nextest");
    step("install cargo-nextest", || {
        let mut install = cargo();
        // Does nothing if this version is there. Built in a folder that cargo removes, not among what is built here.
        install.args(["install", "--quiet", "--locked", NEXTEST, "--root"]).arg(&folder).env_remove("CARGO_TARGET_DIR");
        processes::keep(&mut install)
    })?;
    Ok(env::join_paths([folder.join("bin")].into_iter().chain(env::split_paths(&path)))?)
}

fn install(folder: &Path, requirements: &Path) -> Result<()> {
    if folder.exists() {
        fs::remove_dir_all(folder)?;
    }
    processes::keep(Command::new("python3").args(["-m", "venv"]).arg(folder))
        .context("Python 3.11 or later is needed, with its venv module")?;
    let mut pip = Command::new(folder.join("bin/pip"));
    pip.args(["install", "--quiet", "--disable-pip-version-check", "--requirement"]).arg(requirements);
    processes::keep(&mut pip).map(drop)
}
