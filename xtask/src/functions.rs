//! The Lambda functions as the local stack takes them: a folder each, with an executable `bootstrap`.

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::processes::Group;
use crate::workspace::{Workspace, cargo};

/// What else is built, or was built just before.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Beside {
    Nothing,
    /// Tests enable features of shared dependencies, so cargo would build those again for the functions alone.
    Tests,
}

/// Builds every function for this machine, in the profile of the tests: without the minutes of optimisation.
pub fn build(workspace: &Workspace, beside: Beside) -> Result<PathBuf> {
    let mut command = cargo();
    command.args(["build", "--bins", "--message-format=json-render-diagnostics"]);
    match beside {
        Beside::Tests => drop(command.args(["--workspace", "--tests"])),
        Beside::Nothing => {
            for function in &workspace.functions {
                command.args(["--package", function]);
            }
        }
    }
    let mut build = Group::spawn(command.current_dir(&workspace.root).stdout(Stdio::piped()))?;
    let mut executables = Vec::new();
    for line in BufReader::new(build.leader.stdout.take().context("stdout is piped")?).lines() {
        let message: Value = serde_json::from_str(&line?)?;
        let (name, executable) = (message["target"]["name"].as_str(), message["executable"].as_str());
        if let (Some(name), Some(path), Some(false)) = (name, executable, message["profile"]["test"].as_bool())
            && workspace.functions.iter().any(|function| function == name)
        {
            executables.push((name.to_owned(), PathBuf::from(path)));
        }
    }
    if !build.leader.wait()?.success() {
        bail!("the functions do not build");
    }

    let folder = workspace.local_stack().join("functions");
    for (name, executable) in executables {
        fs::copy(executable, bootstrap(&folder, &name)?)?;
    }
    Ok(folder)
}

/// Functions that do nothing, for looking at what is deployed around them.
pub fn placeholders(workspace: &Workspace) -> Result<PathBuf> {
    let folder = workspace.local_stack().join("placeholders");
    for name in &workspace.functions {
        let file = bootstrap(&folder, name)?;
        fs::write(&file, "#!/bin/sh\nexit 1\n")?;
        fs::set_permissions(file, fs::Permissions::from_mode(0o755))?;
    }
    Ok(folder)
}

fn bootstrap(folder: &Path, function: &str) -> Result<PathBuf> {
    let folder = folder.join(function);
    fs::create_dir_all(&folder)?;
    Ok(folder.join("bootstrap"))
}
