//! The Lambda functions as the local stack takes them: a folder each, with an executable `bootstrap`.

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::processes::Group;
use crate::workspace::{Workspace, cargo};

/// Functions that were built.
pub struct Built {
    pub folder: PathBuf,
    /// Crates of others that had to be compiled, where the target folder did not have them.
    pub compiled: BTreeSet<String>,
}

/// Builds every function for this machine, in the profile of the tests: without the minutes of optimisation.
pub fn build(workspace: &Workspace) -> Result<Built> {
    let mut command = cargo();
    // The features of shared dependencies are those that the tests want, so both use the same builds of them. Cargo
    // looks at what tests depend on if something is built that may use it, as examples may: here are none.
    command.args(["build", "--workspace", "--examples", "--message-format=json-render-diagnostics"]);
    command.args(workspace.functions.iter().flat_map(|function| ["--bin", function]));
    let mut build = Group::spawn(command.current_dir(&workspace.root).stdout(Stdio::piped()))?;
    let (mut executables, mut compiled) = (Vec::new(), BTreeSet::new());
    for line in BufReader::new(build.leader.stdout.take().context("stdout is piped")?).lines() {
        let message: Value = serde_json::from_str(&line?)?;
        let (name, executable) = (message["target"]["name"].as_str(), message["executable"].as_str());
        if let (Some(name), Some(path)) = (name, executable)
            && workspace.functions.iter().any(|function| function == name)
        {
            executables.push((name.to_owned(), PathBuf::from(path)));
        }
        if let (Some(package), Some(false)) = (message["package_id"].as_str(), message["fresh"].as_bool())
            && !package.starts_with("path+")
        {
            compiled.insert(package.rsplit('#').next().unwrap_or(package).to_owned());
        }
    }
    if !build.leader.wait()?.success() {
        bail!("the functions do not build");
    }

    let folder = workspace.local_stack().join("functions");
    for (name, executable) in executables {
        fs::copy(executable, bootstrap(&folder, &name)?)?;
    }
    Ok(Built { folder, compiled })
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
