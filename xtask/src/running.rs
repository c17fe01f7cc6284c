//! A local stack that another shell has started: what there is to do with it by hand.

#[cfg(test)]
mod tests;

use std::fs;
use std::net::{Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, exit};

use anyhow::{Context, Result};
use clap::{Args, ValueEnum};

use crate::local_stack::in_local_aws;
use crate::processes::{self, Group};
use crate::tools::Environment;
use crate::workspace::Workspace;

/// What `cargo xtask try` does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Attempt {
    /// Send an order, and follow it to the read model
    Order,
    /// Print an access token of the demo tenant's machine client
    Token,
    /// Print the password that the demo tenant's operator has in the console
    Password,
    /// Print the password that the demo tenant's user has in the demo and in the dashboard
    UserPassword,
}

#[derive(Args, Default)]
pub struct Logs {
    /// A function, as in `ingest` or `orders-command-handler`; all, if none is named
    #[arg(long)]
    function: Vec<String>,
    /// Only lines about this operation's id, or this command's key
    #[arg(long)]
    operation: Option<String>,
    /// Only lines of this level, or a graver one
    #[arg(long, value_parser = ["trace", "debug", "info", "warn", "error"])]
    level: Option<String>,
    /// Lines as they were logged, with all that is in them
    #[arg(long)]
    json: bool,
    /// Go on with what is logged from now on, until Ctrl-C
    #[arg(long, short)]
    follow: bool,
}

pub fn attempt(workspace: &Workspace, attempt: Attempt) -> Result<()> {
    run(&mut attempt_at(workspace, &running(workspace)?, attempt)?)
}

/// The attempt, at the stack that is described there.
pub fn attempt_at(workspace: &Workspace, description: &Path, attempt: Attempt) -> Result<Command> {
    let what = match attempt {
        Attempt::Order => "order",
        Attempt::Token => "token",
        Attempt::Password => "password",
        Attempt::UserPassword => "user-password",
    };
    let mut python = script(workspace, description, "try.py")?;
    python.arg("--command").arg(workspace.root.join("events/orders/submit-order.json")).arg(what);
    Ok(python)
}

pub fn logs(workspace: &Workspace, asked: &Logs) -> Result<()> {
    run(&mut logs_of(workspace, &running(workspace)?, asked)?)
}

/// The logs of the stack that is described there.
pub fn logs_of(workspace: &Workspace, description: &Path, asked: &Logs) -> Result<Command> {
    let mut python = script(workspace, description, "logs.py")?;
    for function in &asked.function {
        python.args(["--function", function]);
    }
    for (option, value) in [("--operation", &asked.operation), ("--level", &asked.level)] {
        if let Some(value) = value {
            // One word, for an operation's id may begin with a hyphen.
            python.arg(format!("{option}={value}"));
        }
    }
    for (option, is_asked) in [("--json", asked.json), ("--follow", asked.follow)] {
        if is_asked {
            python.arg(option);
        }
    }
    Ok(python)
}

/// Prints the variables of a function.
pub fn environment(workspace: &Workspace, function: &str) -> Result<()> {
    run(&mut environment_of(workspace, &running(workspace)?, function)?)
}

/// The variables of a function of the stack that is described there.
pub fn environment_of(workspace: &Workspace, description: &Path, function: &str) -> Result<Command> {
    let mut python = script(workspace, description, "environment.py")?;
    python.arg(function);
    Ok(python)
}

/// Ends this task as the script ends. It has told by itself what is wrong.
fn run(script: &mut Command) -> Result<()> {
    let status = Group::spawn(script)?.leader.wait()?;
    processes::wait_if_stopping();
    if status.success() { Ok(()) } else { exit(1) }
}

fn script(workspace: &Workspace, description: &Path, name: &str) -> Result<Command> {
    let mut python = Environment::of(workspace, "local-stack")?.command("python");
    in_local_aws(&mut python).arg(workspace.root.join("xtask/local_stack").join(name)).arg("--stack").arg(description);
    Ok(python)
}

/// The description of the local stack that was started last, of those whose server still listens.
fn running(workspace: &Workspace) -> Result<PathBuf> {
    newest_alive(&workspace.local_stack().join("runs"))?
        .context("no local stack is running here: start one in another shell, with `cargo xtask up`")
}

/// `runs` has a folder for each stack, named by its server's port.
fn newest_alive(runs: &Path) -> Result<Option<PathBuf>> {
    let mut alive = Vec::new();
    for run in fs::read_dir(runs).into_iter().flatten() {
        let run = run?;
        let Ok(port) = run.file_name().to_string_lossy().parse::<u16>() else { continue };
        let description = run.path().join("stack.json");
        // A stack without a description is being deployed still.
        if let Ok(described) = fs::metadata(&description)
            && TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok()
        {
            alive.push((described.modified()?, description));
        }
    }
    Ok(alive.into_iter().max().map(|(_, description)| description))
}
