//! A local AWS with the project's own template deployed on it: started, described, stopped.
//!
//! One server process, on loopback, holding everything in memory; Lambda functions are its children, and reach it
//! through a relay, so that tests can cut their connections. It enforces the template's IAM policies, so a right that
//! is missing is missed here already.

use std::fs::{self, File};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::processes::{self, Group, tail};
use crate::relay::Relay;
use crate::steps::step;
use crate::tools::Environment;
use crate::workspace::Workspace;

const STACK: &str = "waybill";

/// Installing is over by now; a server that takes longer will not come.
const START: Duration = Duration::from_secs(30);

pub struct LocalStack {
    server: Group,
    relay: Relay,
    log: PathBuf,
    /// The file that describes the stack, for tests: `xtask/local_stack/deploy.py` says what is in it.
    pub description: PathBuf,
}

impl LocalStack {
    /// Starts a server, deploys the template with the functions in the folder, and sets up the tenants and operators of
    /// `events/registry/`.
    pub fn start(workspace: &Workspace, functions: &Path, port: Option<u16>) -> Result<Self> {
        let tools = step("install the local stack", || Environment::of(workspace, "local-stack"))?;
        let stack = step("start the local stack", || Self::serve(workspace, &tools, port))?;
        let deployed = stack.deploy(workspace, &tools, functions);
        if deployed.is_err() {
            eprintln!("\nThe server's last words:\n{}", stack.last_words());
        }
        deployed?;
        Ok(stack)
    }

    /// Waits for the server to end, which it does not do by itself.
    pub fn wait(&mut self) -> Result<()> {
        let status = self.server.leader.wait()?;
        processes::wait_if_stopping();
        bail!("the local stack ended with {status}; its last words:\n{}", self.last_words())
    }

    pub fn describe(&self) -> Result<Value> {
        Ok(serde_json::from_slice(&fs::read(&self.description)?)?)
    }

    pub fn last_words(&self) -> String {
        tail(&fs::read_to_string(&self.log).unwrap_or_default(), 30)
    }

    fn serve(workspace: &Workspace, tools: &Environment, port: Option<u16>) -> Result<Self> {
        let runs = workspace.local_stack().join("runs");
        remove_ended(&runs)?;
        let (port, relay) = ports(port)?;
        let folder = runs.join(port.to_string());
        let temporary = folder.join("tmp");
        fs::create_dir_all(&temporary)?;
        let log = folder.join("server.log");
        let output = File::create(&log)?;

        let mut command = tools.command("ministack");
        // Functions inherit the server's environment. An empty one leaves them what the template gives. The server itself
        // does not use the endpoint.
        in_local_aws(&mut command)
            .envs([("HOME", &folder), ("TMPDIR", &temporary), ("S3_DATA_DIR", &temporary), ("STATE_DIR", &temporary)])
            .envs([("BIND_HOST", "127.0.0.1"), ("MINISTACK_HOST", "127.0.0.1"), ("AUTH", "true")])
            .envs([("SFTP_ENABLED", "0"), ("IOT_MTLS_ENABLED", "0"), ("RUST_BACKTRACE", "1")])
            .env("GATEWAY_PORT", port.to_string())
            .env("AWS_ENDPOINT_URL", endpoint(relay.address.port()))
            .current_dir(&folder)
            .stdout(output.try_clone()?)
            .stderr(output);
        let description = folder.join("stack.json");
        let mut stack = Self { server: Group::spawn(&mut command)?, relay, log, description };
        stack.wait_for(port)?;
        Ok(stack)
    }

    fn wait_for(&mut self, port: u16) -> Result<()> {
        let started = Instant::now();
        while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
            if let Some(status) = self.server.leader.try_wait()? {
                bail!("the server ended with {status}:\n{}", self.last_words());
            }
            if started.elapsed() > START {
                bail!("the server does not listen:\n{}", self.last_words());
            }
            thread::sleep(Duration::from_millis(50));
        }
        Ok(())
    }

    fn deploy(&self, workspace: &Workspace, tools: &Environment, functions: &Path) -> Result<()> {
        let scripts = workspace.root.join("xtask/local_stack");
        let port = self.description.parent().and_then(Path::file_name).context("named after its port")?;
        step("deploy template.yaml", || {
            let mut deploy = tools.command("python");
            in_local_aws(&mut deploy)
                .arg(scripts.join("deploy.py"))
                .args(["--endpoint", &endpoint(port.to_string_lossy()), "--stack-name", STACK])
                .arg("--template")
                .arg(workspace.root.join("template.yaml"))
                .arg("--functions")
                .arg(functions)
                .args(["--server-pid", &self.server.leader.id().to_string()])
                .arg("--server-log")
                .arg(&self.log)
                .args(["--scissors", &self.relay.scissors.to_string()])
                .arg("--output")
                .arg(&self.description);
            processes::keep(&mut deploy)
        })?;
        step("set up tenants and operators", || {
            let mut tenants = tools.command("python");
            in_local_aws(&mut tenants)
                .arg(scripts.join("tenants.py"))
                .arg("--stack")
                .arg(&self.description)
                .arg("--registry")
                .arg(workspace.root.join("events/registry"));
            processes::keep(&mut tenants)
        })?;
        Ok(())
    }
}

/// Nothing of the caller's environment but where programs are: no profile, no credentials, no proxy that a
/// call to the local stack could take to somewhere else.
pub fn in_local_aws(command: &mut Command) -> &mut Command {
    command
        .env_clear()
        .envs(std::env::var_os("PATH").map(|path| ("PATH", path)))
        .envs([("AWS_ACCESS_KEY_ID", "test"), ("AWS_SECRET_ACCESS_KEY", "test")])
        .env("AWS_DEFAULT_REGION", "us-east-1")
}

fn endpoint(port: impl std::fmt::Display) -> String {
    format!("http://127.0.0.1:{port}")
}

/// A free port for the server, and a relay to it.
fn ports(wanted: Option<u16>) -> Result<(u16, Relay)> {
    // Held until the relay has its own.
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, wanted.unwrap_or(0)))
        .with_context(|| format!("port {} is taken", wanted.unwrap_or(0)))?;
    let port = listener.local_addr()?.port();
    Ok((port, Relay::to(port)?))
}

/// Removes what earlier runs left, logs included, unless their server is still there.
fn remove_ended(runs: &Path) -> Result<()> {
    fs::create_dir_all(runs)?;
    for run in fs::read_dir(runs)? {
        let run = run?;
        let port = run.file_name().to_string_lossy().parse::<u16>();
        let started = run.metadata()?.modified()?.elapsed()? > START;
        if started && port.is_ok_and(|port| TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err()) {
            fs::remove_dir_all(run.path())?;
        }
    }
    Ok(())
}
