//! The pages for people, in a browser, on a deployed local stack.
//!
//! The browser is the machine's own. Where it has none and this task may install one, it does: the only thing that a
//! task installs outside of the target folder.

use std::env;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, bail};
use nix::unistd::geteuid;

use crate::local_stack::{LocalStack, in_local_aws};
use crate::processes;
use crate::steps::step;
use crate::tools::Environment;
use crate::workspace::Workspace;

/// What Chromium is called, here and there.
const BROWSERS: [&str; 3] = ["chromium", "chromium-browser", "google-chrome"];

/// Runs the stories of `tests/console/`. `description` is the variable that tells them where the stack is described.
pub fn console(workspace: &Workspace, stack: &LocalStack, description: &str) -> Result<()> {
    let mut stories = stories(workspace, stack, description, "console/console.py")?;
    processes::show(stories.arg("--screenshots").arg(folder(workspace).join("failures")))
}

/// Runs those of `tests/pages/`.
pub fn pages(workspace: &Workspace, stack: &LocalStack, description: &str) -> Result<()> {
    for script in ["pages/dashboard.py", "pages/demo.py"] {
        processes::show(&mut stories(workspace, stack, description, script)?)?;
    }
    Ok(())
}

fn stories(workspace: &Workspace, stack: &LocalStack, description: &str, script: &str) -> Result<Command> {
    let tools = step("install the browser's driver", || Environment::of(workspace, "browser"))?;
    let browser = installed()?;
    let mut stories = tools.command("python");
    in_local_aws(&mut stories)
        // A browser writes there whatever it is told.
        .env("HOME", folder(workspace).join("home"))
        .env(description, &stack.description)
        // Without compiled modules beside the sources.
        .arg("-B")
        .arg(workspace.root.join("tests").join(script))
        .arg("--browser")
        .arg(browser);
    Ok(stories)
}

fn folder(workspace: &Workspace) -> PathBuf {
    workspace.target.join("console")
}

/// The browser, which is installed now where there is none.
pub fn installed() -> Result<PathBuf> {
    find().map_or_else(|| step("install Chromium", install), Ok)
}

fn find() -> Option<PathBuf> {
    BROWSERS.into_iter().find_map(on_path)
}

fn install() -> Result<PathBuf> {
    if on_path("apt-get").is_none() || !geteuid().is_root() {
        bail!(
            "there is no Chromium here. Install it, as by `sudo apt-get install chromium`, so that it is on the PATH"
        );
    }
    let install = || apt_get(&["install", "-y", "--no-install-recommends", "chromium"]);
    // The package lists may be missing or old.
    if install().is_err() {
        apt_get(&["update"])?;
        install()?;
    }
    find().context("Chromium is installed, but not on the PATH")
}

fn apt_get(arguments: &[&str]) -> Result<()> {
    let mut command = Command::new("apt-get");
    // Others may be installing too.
    command.args(["-o", "DPkg::Lock::Timeout=300"]).args(arguments).env("DEBIAN_FRONTEND", "noninteractive");
    processes::keep(&mut command).map(drop)
}

fn on_path(program: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    env::split_paths(&path).map(|folder| folder.join(program)).find(|program| program.is_file())
}
