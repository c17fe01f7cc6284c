//! A local AWS with the project's own template deployed on it: started, described, stopped.
//!
//! One server process, on loopback, holding everything in memory; Lambda functions are its children, and reach it
//! through a relay, so that tests can cut their connections. It enforces the template's IAM policies, so a right that
//! is missing is missed here already. Beside it are a payment provider, which the payment gateway asks, and a process that
//! makes metrics of logs.

use std::fs::{self, File};
use std::io::ErrorKind;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow, bail};
use payment_provider::Provider;
use serde_json::Value;

use crate::processes::{self, Group, tail};
use crate::relay::Relay;
use crate::steps::step;
use crate::tools::Environment;
use crate::workspace::Workspace;

/// The stack's name.
pub const STACK: &str = "waybill";

/// The server gives the stack's API the id that a tag names, so its URL is known before there is a stack, and the
/// functions can be told it.
const API_ID: &str = "waybill";
/// That of the WebSocket API: see `adapted.py`.
const LIVE_API_ID: &str = "waybill-live";

/// Whom mails come from here.
const MAIL_FROM: &str = "care@waybill.example";
/// Lets the payment gateway in.
const PROVIDER_KEY: &str = "local";

/// Installing is over by now; a server that takes longer will not come.
const START: Duration = Duration::from_secs(30);

pub struct LocalStack {
    server: Group,
    relay: Relay,
    provider: payment_provider::Server,
    log: PathBuf,
    /// The server's URL.
    pub endpoint: String,
    /// The file that describes the stack, for tests: `xtask/local_stack/describe.py` says what is in it.
    pub description: PathBuf,
    /// Where tenants' webhooks may go: a receiver that a test may start there, and another stack.
    receiver: String,
    other: String,
    /// Where the demo asks for trouble.
    trouble_url: String,
    /// Who makes it, and who makes metrics of what is logged, once there is a stack.
    others: Vec<Group>,
}

impl LocalStack {
    /// Starts a server, deploys the template with the functions in the folder, and sets up the tenants and operators of
    /// `events/registry/`.
    pub fn start(workspace: &Workspace, functions: &Path, port: Option<u16>) -> Result<Self> {
        Self::deployed_by(workspace, port, |stack| stack.deploy(workspace, functions))
    }

    fn deploy(&self, workspace: &Workspace, functions: &Path) -> Result<()> {
        let mut deploy = self.script(workspace, "local_stack/deploy.py")?;
        deploy.args(["--stack-name", STACK, "--tag", &Self::tag()]);
        deploy.arg("--template").arg(workspace.root.join("template.yaml")).arg("--functions").arg(functions);
        deploy.args(self.parameters());
        step("deploy template.yaml", || processes::keep(&mut deploy)).map(drop)
    }

    /// Starts another one, so that each may be told of the other's events.
    pub fn start_beside(&self, workspace: &Workspace, functions: &Path) -> Result<Self> {
        let (port, other) = (port_of(&self.other)?, self.endpoint.clone());
        Self::started(workspace, Some(port), |stack| stack.other = other, |stack| stack.deploy(workspace, functions))
    }

    /// Starts a server, has `deploy` make the [`STACK`] on it, and sets up the tenants and operators.
    pub fn deployed_by(
        workspace: &Workspace,
        port: Option<u16>,
        deploy: impl FnOnce(&Self) -> Result<()>,
    ) -> Result<Self> {
        Self::started(workspace, port, |_| (), deploy)
    }

    fn started(
        workspace: &Workspace,
        port: Option<u16>,
        set: impl FnOnce(&mut Self),
        deploy: impl FnOnce(&Self) -> Result<()>,
    ) -> Result<Self> {
        let tools = step("install the local stack", || Environment::of(workspace, "local-stack"))?;
        let mut stack = step("start the local stack", || Self::serve(workspace, &tools, port))?;
        set(&mut stack);
        let deployed =
            deploy(&stack).and_then(|()| stack.set_up(workspace)).and_then(|()| stack.start_others(workspace));
        if deployed.is_err() {
            eprintln!("\nThe server's last words:\n{}", stack.last_words());
        }
        deployed?;
        Ok(stack)
    }

    /// The template's parameters here, as `NAME=VALUE`.
    pub fn parameters(&self) -> Vec<String> {
        // A path without a stage means the stage $default.
        let public_url = format!("PublicUrl={}/_aws/execute-api/{API_ID}", self.endpoint);
        let websocket_url =
            format!("WebSocketUrl=ws:{}/_aws/execute-api/{LIVE_API_ID}/live", after_scheme(&self.endpoint));
        // Cognito's own host on AWS; here, the server's.
        let sign_in_url = format!("SignInUrl={}", self.endpoint);
        let others =
            ["Stage=test", "Architecture=x86_64", "RedriveMinutes=1", "EventExport=true", "CorsOrigins=*", "Demo=true"]
                .map(str::to_owned);
        let mail_from = format!("MailFrom={MAIL_FROM}");
        let destinations = format!("WebhookDestinations={} {}", self.receiver, self.other);
        // A parameter that the template has here alone: see `adapted.py`.
        let trouble = format!("TroubleUrl={}", self.trouble_url);
        others.into_iter().chain([public_url, websocket_url, sign_in_url, mail_from, destinations, trouble]).collect()
    }

    /// The stack's tag, as `NAME=VALUE`.
    pub fn tag() -> String {
        format!("ms-custom-id={API_ID}")
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
        // What is written below has secrets in it.
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o700))?;
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
        let provider = payment_provider::Server::start(Provider::new(PROVIDER_KEY), 0);
        let provider = provider.map_err(|error| anyhow!("the payment provider does not start: {error}"))?;
        let description = folder.join("stack.json");
        let server = Group::spawn(&mut command)?;
        // Free now; nobody else is told of them.
        let free = || Ok::<_, anyhow::Error>(endpoint(listen(None)?.local_addr()?.port()));
        let (receiver, other, trouble_url) = (free()?, free()?, free()?);
        let endpoint = endpoint(port);
        let mut stack = Self {
            server,
            relay,
            provider,
            log,
            endpoint,
            description,
            receiver,
            other,
            trouble_url,
            others: Vec::new(),
        };
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

    /// What a deployment does not do: describes the stack, and gives tenants and operators their credentials.
    fn set_up(&self, workspace: &Workspace) -> Result<()> {
        step("describe the stack", || {
            let mut describe = self.script(workspace, "local_stack/describe.py")?;
            describe
                .args(["--stack-name", STACK, "--server-pid", &self.server.leader.id().to_string()])
                .arg("--server-log")
                .arg(&self.log)
                .args(["--scissors", &self.relay.scissors.to_string()])
                .args(["--payment-provider", &self.provider.url, "--provider-key", PROVIDER_KEY])
                .args(["--webhook-receiver", &self.receiver, "--trouble", &self.trouble_url])
                .arg("--output")
                .arg(&self.description);
            processes::keep(&mut describe)
        })?;
        step("set up the sender of mails", || {
            let mut mail = self.script(workspace, "local_stack/mail.py")?;
            processes::keep(mail.args(["--from", MAIL_FROM]))
        })?;
        step("set up tenants and operators", || {
            let mut tenants = self.script(workspace, "local_stack/tenants.py")?;
            tenants.arg("--stack").arg(&self.description).arg("--registry").arg(workspace.root.join("events/registry"));
            processes::keep(&mut tenants)
        })?;
        Ok(())
    }

    /// Starts what the demo's buttons ask for trouble, and what stands for CloudWatch's and SQS's own part in metrics.
    fn start_others(&mut self, workspace: &Workspace) -> Result<()> {
        let port = port_of(&self.trouble_url)?.to_string();
        for (name, arguments) in [("trouble", vec!["--port", &port]), ("metrics", vec![])] {
            let errors = File::create(self.log.with_file_name(format!("{name}.log")))?;
            let mut other = self.script(workspace, &format!("local_stack/{name}.py"))?;
            other.arg("--stack").arg(&self.description).args(arguments);
            self.others.push(Group::spawn(other.stdout(Stdio::null()).stderr(errors))?);
        }
        Ok(())
    }

    /// One of the scripts in `xtask`, which know the server by the environment.
    pub fn script(&self, workspace: &Workspace, path: &str) -> Result<Command> {
        let mut python = Environment::of(workspace, "local-stack")?.command("python");
        in_local_aws(&mut python).env("AWS_ENDPOINT_URL", &self.endpoint).arg(workspace.root.join("xtask").join(path));
        Ok(python)
    }
}

/// `//host:port` of a URL.
fn after_scheme(url: &str) -> &str {
    url.split_once(':').map_or(url, |(_, rest)| rest)
}

/// Nothing of the caller's environment but where programs are: no profile, no credentials, no proxy that a
/// call to the local stack could take to somewhere else.
pub fn in_local_aws(command: &mut Command) -> &mut Command {
    command
        .env_clear()
        .envs(std::env::var_os("PATH").map(|path| ("PATH", path)))
        .envs([("AWS_ACCESS_KEY_ID", "test"), ("AWS_SECRET_ACCESS_KEY", "test")])
        .env("AWS_DEFAULT_REGION", "us-east-1")
        // No compiled modules beside the sources.
        .env("PYTHONDONTWRITEBYTECODE", "1")
}

fn endpoint(port: impl std::fmt::Display) -> String {
    format!("http://127.0.0.1:{port}")
}

fn port_of(endpoint: &str) -> Result<u16> {
    let port = endpoint.rsplit_once(':').and_then(|(_, port)| port.parse().ok());
    port.ok_or_else(|| anyhow!("{endpoint} has no port"))
}

/// A free port for the server, and a relay to it.
fn ports(wanted: Option<u16>) -> Result<(u16, Relay)> {
    // Held until the relay has its own.
    let listener = listen(wanted)?;
    let port = listener.local_addr()?.port();
    Ok((port, Relay::to(port)?))
}

/// Reads a port that somebody asks for.
pub fn port(text: &str) -> Result<u16, String> {
    match text.parse() {
        Ok(0) | Err(_) => Err("a port is a number from 1 to 65535".to_owned()),
        Ok(port) => Ok(port),
    }
}

/// Fails with the reason if no server could listen on that port. For a task to know before it begins to build.
pub fn check_port(wanted: Option<u16>) -> Result<()> {
    listen(wanted).map(drop)
}

/// Listens on that port of loopback, or on any free one.
fn listen(wanted: Option<u16>) -> Result<TcpListener> {
    let port = wanted.unwrap_or(0);
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).map_err(|error| match error.kind() {
        ErrorKind::AddrInUse => anyhow!("port {port} is taken; name another one with --port, or leave it out"),
        ErrorKind::PermissionDenied => anyhow!("port {port} is for root alone; name one from 1024 on with --port"),
        _ => anyhow!("nothing can listen on port {port}: {error}"),
    })
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_is_a_number_that_there_is() {
        assert_eq!((port("1"), port("65535")), (Ok(1), Ok(65535)));
        for text in ["0", "65536", "-1", "", "http", "4566x"] {
            assert_eq!(port(text), Err("a port is a number from 1 to 65535".to_owned()), "{text}");
        }
    }

    #[test]
    fn a_port_that_is_taken_is_told_before_anything_is_built() -> Result<()> {
        let other = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let port = other.local_addr()?.port();
        let refusal = check_port(Some(port)).expect_err("it is taken").to_string();
        assert_eq!(refusal, format!("port {port} is taken; name another one with --port, or leave it out"));
        drop(other);
        check_port(Some(port))?;
        check_port(None)
    }
}
