//! The platform on this machine, to try by hand.

use std::path::Path;

use anyhow::Result;
use serde_json::Value;

use crate::functions::{self, Beside};
use crate::local_stack::LocalStack;
use crate::workspace::Workspace;

pub fn up(workspace: &Workspace, port: Option<u16>) -> Result<()> {
    println!("building the functions");
    let functions = functions::build(workspace, Beside::Nothing)?;
    let mut stack = LocalStack::start(workspace, &functions, port)?;
    println!("{}", guide(&workspace.root, &stack.describe()?));
    stack.wait()
}

/// What to paste into another shell. Needs curl and Python, which the local stack needs too.
fn guide(root: &Path, stack: &Value) -> String {
    let text = |pointer: &str| stack.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    format!(
        r#"
Waybill is up. Stop it with Ctrl-C.
  API      {api}
  console  {console}
           where the demo tenant's operator signs in as {operator} with {password}
  log      {log}
  stack    {description}

Paste into another shell. A token, as the demo tenant's machine client:

  API='{api}'
  TOKEN=$(curl -sS -u '{client_id}:{client_secret}' -d grant_type=client_credentials '{token_url}' |
    python3 -c 'import json, sys; print(json.load(sys.stdin)["access_token"])')

Submit a command, and follow its operation:

  OPERATION=$(curl -sS -D - -o /dev/null "$API/commands" -H "Authorization: Bearer $TOKEN" \
    -H 'Content-Type: application/cloudevents+json' --data-binary '@{command}' |
    tr -d '\r' | sed -n 's/^[Ll]ocation: //p')
  while OUTCOME=$(curl -sS "$OPERATION" -H "Authorization: Bearer $TOKEN"); echo "$OUTCOME"
    echo "$OUTCOME" | grep -q '"status":"accepted"'; do sleep 1; done

Read the order that it made, in the version that it made:

  ORDER=$(echo "$OUTCOME" | python3 -c 'import json, sys; print(json.load(sys.stdin)["resource"]["href"])')
  curl -sf --retry 8 --retry-delay 1 --retry-all-errors "$ORDER" -H "Authorization: Bearer $TOKEN"; echo
"#,
        api = text("/api_url"),
        console = text("/console_url"),
        operator = text("/operators/demo/username"),
        password = text("/operators/demo/password"),
        log = text("/server_log"),
        description = Path::new(text("/server_log")).with_file_name("stack.json").display(),
        client_id = text("/tenants/demo/client_id"),
        client_secret = text("/tenants/demo/client_secret"),
        token_url = text("/token_url"),
        command = root.join("events/orders/submit-order.json").display(),
    )
}
