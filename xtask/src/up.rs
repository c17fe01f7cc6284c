//! The platform on this machine, to try by hand.

use std::path::Path;
use std::time::Instant;

use anyhow::Result;
use serde_json::Value;

use crate::functions;
use crate::local_stack::{LocalStack, check_port};
use crate::tools::{self, Environment};
use crate::workspace::Workspace;

pub fn up(workspace: &Workspace, port: Option<u16>) -> Result<()> {
    let started = Instant::now();
    // Whatever can be missing is told before minutes of building.
    check_port(port)?;
    tools::check_python()?;
    Environment::of(workspace, "local-stack")?;
    println!("building the functions: some minutes the first time, and seconds where nothing has changed");
    let functions = functions::build(workspace)?.folder;
    let mut stack = LocalStack::start(workspace, &functions, port)?;
    println!("{}", guide(&stack.describe()?, started.elapsed().as_secs()));
    stack.wait()
}

/// What there is, and what to do with it in another shell. No secret: those are in the description of the stack, which
/// its owner alone may read.
fn guide(stack: &Value, seconds: u64) -> String {
    let text = |pointer: &str| stack.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    format!(
        r#"
Waybill is up, after {seconds} s. Stop it with Ctrl-C.
  demo       {demo}
             place orders, make trouble, and watch
  dashboard  {reports}
             in both, sign in as {user}; `cargo xtask try user-password` prints the password
  console    {console}
             sign in as {operator}; `cargo xtask try password` prints the password
  API        {api}
  files      {folder}
             server.log, and stack.json with all secrets; nobody else may read them

In another shell:

  cargo xtask try                send an order, and follow it to the read model
  cargo xtask logs --follow      see what the functions log

By hand, as the demo tenant's machine client:

  API='{api}'
  TOKEN=$(cargo xtask try token)
  curl -i "$API/orders" -H "Authorization: Bearer $TOKEN"
"#,
        api = text("/api_url"),
        demo = text("/demo_url"),
        reports = text("/reports_url"),
        user = text("/tenants/demo/user/username"),
        console = text("/console_url"),
        operator = text("/operators/demo/username"),
        folder = Path::new(text("/server_log")).parent().unwrap_or(Path::new("")).display(),
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_guide_has_no_secret_in_it() {
        let stack = json!({
            "api_url": "http://127.0.0.1:4566/api",
            "console_url": "http://127.0.0.1:4566/api/console",
            "server_log": "/runs/4566/server.log",
            "receipt_key": "secret-1",
            "operators": { "demo": { "username": "demo-operator", "password": "secret-2", "client_secret": "secret-3" } },
            "tenants": {
                "demo": {
                    "client_id": "id",
                    "client_secret": "secret-4",
                    "user": { "username": "demo-user", "password": "secret-5" },
                },
            },
        });
        let guide = guide(&stack, 90);
        assert!(
            guide.contains("as demo-user") && guide.contains("as demo-operator") && guide.contains("/runs/4566\n"),
            "{guide}"
        );
        assert!(!guide.contains("secret-"), "{guide}");
    }
}
