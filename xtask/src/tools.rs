//! Tools that the tasks bring along, below the target folder.
//!
//! Python ones in several virtual environments, because what the tools pin disagrees, and Node.js ones in one folder. They
//! come from the registries that pip and npm are configured for, at the versions in `requirements/`. Others come from
//! cargo's, in the versions below.

use std::env;
use std::ffi::OsString;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::processes;
use crate::steps::step;
use crate::workspace::{Workspace, cargo};

/// The oldest Python that the tools run with.
const PYTHON: (u32, u32) = (3, 11);

/// Says its version, then tries what a virtual environment needs: Debian has that in a package of its own.
const ABOUT_PYTHON: &str = "import sys; print(*sys.version_info[:2], flush=True); import venv, ensurepip";

const NEXTEST: &str = "cargo-nextest@0.9.143";
pub const DENY: &str = "cargo-deny@0.20.2";
pub const CYCLONEDX: &str = "cargo-cyclonedx@0.5.9";
pub const MUTANTS: &str = "cargo-mutants@27.1.0";

/// An installed Python environment.
pub struct Environment {
    bin: PathBuf,
}

impl Environment {
    /// The environment of `requirements/<name>.txt`; installed now if there is none yet, or if the file has
    /// changed since.
    pub fn of(workspace: &Workspace, name: &str) -> Result<Self> {
        let requirements = workspace.root.join("requirements").join(name).with_extension("txt");
        let folder = installed(workspace, name, &requirements, install_python)?;
        Ok(Self { bin: folder.join("bin") })
    }

    pub fn command(&self, program: &str) -> Command {
        Command::new(self.bin.join(program))
    }
}

/// Installed packages, those of `requirements/node` mostly. A lock file is made by `npm install --package-lock-only
/// --omit-lockfile-registry-resolved`, so it says what is installed and not where from: that is npm's configuration.
pub struct NodePackages {
    pub modules: PathBuf,
}

impl NodePackages {
    /// Installed now if there are none yet, or if the lock file has changed since.
    pub fn of(workspace: &Workspace) -> Result<Self> {
        Self::locked_by(workspace, "node", &workspace.root.join("requirements/node/package-lock.json"))
    }

    /// The same of another lock file, in a folder of this name.
    pub fn locked_by(workspace: &Workspace, name: &str, lock: &Path) -> Result<Self> {
        Ok(Self { modules: installed(workspace, name, lock, install_node)?.join("node_modules") })
    }

    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new(self.modules.join(".bin").join(program));
        // Redocly would tell its makers, and ask them for news.
        command.envs([("REDOCLY_TELEMETRY", "off"), ("REDOCLY_SUPPRESS_UPDATE_NOTICE", "true")]);
        command
    }
}

/// Installs what the checks run, one after the other: for a thread beside the compiler, as it is mostly waiting. Whatever fails
/// here is told by the check that needs it, which tries again.
pub fn install_ahead(workspace: &Workspace) {
    for name in ["local-stack", "lint", "sam", "browser", "python-client", "warehouse"] {
        let _ = Environment::of(workspace, name);
    }
    let _ = NodePackages::of(workspace);
}

/// The tools' folder, in which `install` has put what the file of requirements says.
fn installed(
    workspace: &Workspace,
    name: &str,
    requirements: &Path,
    install: impl FnOnce(&Path, &Path) -> Result<()>,
) -> Result<PathBuf> {
    let wanted = fs::read_to_string(requirements).with_context(|| requirements.display().to_string())?;
    let tools = workspace.target.join("tools");
    fs::create_dir_all(&tools)?;
    // Held while installing: another task of this checkout may want the same.
    let lock = File::create(tools.join(name).with_extension("lock"))?;
    lock.lock()?;
    let folder = tools.join(name);
    // Written last, so what was left half installed is installed again.
    let done = folder.join("requirements.txt");
    if fs::read_to_string(&done).ok().as_deref() != Some(&wanted) {
        if folder.exists() {
            fs::remove_dir_all(&folder)?;
        }
        install(&folder, requirements)?;
        fs::write(done, wanted)?;
    }
    Ok(folder)
}

/// A `PATH` on which there is `cargo nextest`: as it is, if that works already, else with one of our own in front.
pub fn path_to_nextest(workspace: &Workspace) -> Result<OsString> {
    let path = env::var_os("PATH").unwrap_or_default();
    if processes::keep(cargo().args(["nextest", "--version"])).is_ok() {
        return Ok(path);
    }
    let folder = step("install cargo-nextest", || from_cargo(workspace, NEXTEST))?.with_file_name("");
    Ok(env::join_paths([folder].into_iter().chain(env::split_paths(&path)))?)
}

/// The program of a package, named with its version. Built now, which takes minutes, if this version is not there.
pub fn from_cargo(workspace: &Workspace, package: &str) -> Result<PathBuf> {
    let name = package.split('@').next().unwrap_or(package);
    let folder = workspace.target.join("tools").join(name);
    let mut install = cargo();
    // Does nothing if this version is there. Built in a folder that cargo removes, not among what is built here.
    install.args(["install", "--quiet", "--locked", package, "--root"]).arg(&folder).env_remove("CARGO_TARGET_DIR");
    // Their release profiles take minutes of linking, to save seconds of running.
    install.arg("--debug").env("CARGO_PROFILE_DEV_DEBUG", "false");
    processes::keep(&mut install)?;
    Ok(folder.join("bin").join(name))
}

/// Fails with the reason if the tools cannot be installed with the `python3` on the `PATH`. For a task to know before it
/// begins to build.
pub fn check_python() -> Result<()> {
    check_python_at(Path::new("python3"))
}

fn check_python_at(python: &Path) -> Result<()> {
    let (major, minor) = PYTHON;
    let Ok(about) = Command::new(python).args(["-c", ABOUT_PYTHON]).output() else {
        bail!("Python {major}.{minor} or later is needed, and there is no python3 on the PATH");
    };
    let version = String::from_utf8_lossy(&about.stdout);
    let mut numbers = version.split_whitespace().map_while(|number| number.parse().ok());
    match (numbers.next(), numbers.next()) {
        (Some(has), Some(minors)) if (has, minors) < PYTHON => {
            bail!("Python {major}.{minor} or later is needed, and python3 on the PATH is {has}.{minors}")
        }
        (Some(_), Some(_)) if about.status.success() => Ok(()),
        (Some(_), Some(_)) => {
            bail!("python3 lacks its module venv; install it, as by `sudo apt-get install python3-venv`")
        }
        _ => bail!("python3 on the PATH does not run: {}", String::from_utf8_lossy(&about.stderr).trim()),
    }
}

fn install_python(folder: &Path, requirements: &Path) -> Result<()> {
    check_python()?;
    processes::keep(Command::new("python3").args(["-m", "venv"]).arg(folder))?;
    let mut pip = Command::new(folder.join("bin/pip"));
    pip.args(["install", "--quiet", "--disable-pip-version-check", "--requirement"]).arg(requirements);
    processes::keep(&mut pip).map(drop)
}

fn install_node(folder: &Path, lock: &Path) -> Result<()> {
    fs::create_dir_all(folder)?;
    for file in [lock, &lock.with_file_name("package.json")] {
        fs::copy(file, folder.join(file.file_name().context("a file has a name")?))?;
    }
    let mut npm = Command::new("npm");
    // What packages would run at their installation is for other uses of them, or reports home.
    npm.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]).current_dir(folder);
    processes::keep(&mut npm).context("Node.js 20.19 or later is needed, with npm").map(drop)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    /// What is said of a `python3` that is this shell script.
    fn told_of(name: &str, script: &str) -> String {
        let folder = env::temp_dir().join(format!("waybill-python-{}-{name}", std::process::id()));
        fs::create_dir_all(&folder).expect("a folder");
        let python = folder.join("python3");
        fs::write(&python, format!("#!/bin/sh\n{script}\n")).expect("written");
        fs::set_permissions(&python, fs::Permissions::from_mode(0o755)).expect("set");
        let told = check_python_at(&python).map_or_else(|error| error.to_string(), |()| "good".to_owned());
        fs::remove_dir_all(folder).expect("removed");
        told
    }

    #[test]
    fn a_python_that_is_missing_too_old_or_incomplete_is_told() {
        let missing = check_python_at(Path::new("/nowhere/python3")).expect_err("there is none").to_string();
        assert_eq!(missing, "Python 3.11 or later is needed, and there is no python3 on the PATH");
        assert_eq!(told_of("old", "echo 3 9"), "Python 3.11 or later is needed, and python3 on the PATH is 3.9");
        assert!(told_of("incomplete", "echo 3 12; exit 1").contains("lacks its module venv"));
        assert_eq!(told_of("broken", "echo no license >&2; exit 1"), "python3 on the PATH does not run: no license");
        for (name, version) in [("first", "3 11"), ("later", "3 20"), ("next", "4 0")] {
            assert_eq!(told_of(name, &format!("echo {version}")), "good");
        }
    }

    #[test]
    fn the_lock_file_of_node_packages_names_no_registry() {
        let lock = include_str!("../../requirements/node/package-lock.json");
        assert!(lock.contains("\"integrity\"") && !lock.contains("\"resolved\""));
    }
}
