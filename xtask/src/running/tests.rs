//! `cargo xtask try`, at an API of a few lines.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::sync::mpsc::{Receiver, channel};
use std::thread;

use serde_json::{Value, json};

use super::*;

/// A server that answers "METHOD path" with a status, a further header line and JSON, and hands on what it was sent.
fn serve(answer: fn(&str) -> (u16, String, Value)) -> Result<(u16, Receiver<String>)> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let port = listener.local_addr()?.port();
    let (bodies, received) = channel();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.expect("a connection");
            let mut reader = BufReader::new(stream.try_clone().expect("the same connection"));
            let (mut first, mut length) = (String::new(), 0);
            reader.read_line(&mut first).expect("a request");
            for line in reader.by_ref().lines().map_while(Result::ok).take_while(|line| !line.is_empty()) {
                if let Some((_, value)) =
                    line.split_once(':').filter(|(name, _)| name.eq_ignore_ascii_case("content-length"))
                {
                    length = value.trim().parse().expect("a length");
                }
            }
            let mut body = String::new();
            reader.take(length).read_to_string(&mut body).expect("a body");
            let (status, header, json) = answer(first.trim_end().trim_end_matches(" HTTP/1.1"));
            let json = json.to_string();
            let head =
                format!("HTTP/1.1 {status} -\r\nContent-Length: {}\r\nConnection: close\r\n{header}\r\n", json.len());
            let _ = stream.write_all(format!("{head}\r\n{json}").as_bytes());
            if bodies.send(body).is_err() {
                return;
            }
        }
    });
    Ok((port, received))
}

/// Runs the script at the server on this port. Gives whether it went well, and what it printed.
fn try_at(port: u16) -> Result<(bool, String)> {
    let folder = std::env::temp_dir().join(format!("waybill-try-{}-{port}", std::process::id()));
    fs::create_dir_all(&folder)?;
    let stack = json!({
        "api_url": format!("http://127.0.0.1:{port}/api"),
        "token_url": format!("http://127.0.0.1:{port}/token"),
        "tenants": { "demo": { "client_id": "shop", "client_secret": "hidden-secret" } },
    });
    fs::write(folder.join("stack.json"), stack.to_string())?;
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let output = Command::new("python3")
        .arg("-B")
        .arg(root.join("xtask/local_stack/try.py"))
        .arg("--stack")
        .arg(folder.join("stack.json"))
        .arg("--command")
        .arg(root.join("events/orders/submit-order.json"))
        .arg("order")
        .output()?;
    fs::remove_dir_all(folder)?;
    let printed = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
    Ok((output.status.success(), printed))
}

fn nothing() -> String {
    "X-Nothing: 1".to_owned()
}

fn taken(request: &str) -> (u16, String, Value) {
    // The address that the client came by is not known here, so links go to the one that never changes.
    match request {
        "POST /token" => (200, nothing(), json!({ "access_token": "hidden-token" })),
        "POST /api/commands" => (202, "Location: /operations/1".to_owned(), json!({ "status": "accepted" })),
        _ => (404, nothing(), json!({ "detail": "nothing is here" })),
    }
}

#[test]
fn each_run_sends_another_order_and_prints_no_secret() -> Result<()> {
    let (port, received) = serve(taken)?;
    let mut commands = Vec::new();
    for _ in 0..2 {
        let (_, printed) = try_at(port)?;
        assert!(printed.contains("202 Location: /operations/1"), "{printed}");
        assert!(!printed.contains("hidden"), "{printed}");
        commands
            .push(received.try_iter().find_map(|body| serde_json::from_str::<Value>(&body).ok()).context("a command")?);
    }
    assert_ne!(commands[0]["id"], commands[1]["id"]);
    assert_ne!(commands[0]["subject"], commands[1]["subject"]);
    assert_eq!(commands[0]["type"], "SubmitOrder");
    Ok(())
}

#[test]
fn a_refusal_is_told_in_the_servers_words_and_without_a_traceback() -> Result<()> {
    let (port, _received) = serve(|_| (401, nothing(), json!({ "error": "invalid_client" })))?;
    let (went_well, printed) = try_at(port)?;
    assert!(
        !went_well && printed.contains("was to answer 200, and answered 401: {\"error\":\"invalid_client\"}"),
        "{printed}"
    );
    assert!(!printed.contains("Traceback") && !printed.contains("hidden"), "{printed}");
    Ok(())
}

#[test]
fn a_server_that_is_gone_is_told_without_a_traceback() -> Result<()> {
    let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
    let (went_well, printed) = try_at(port)?;
    assert!(!went_well && printed.contains("Is `cargo xtask up` still running?"), "{printed}");
    assert!(!printed.contains("Traceback"), "{printed}");
    Ok(())
}

#[test]
fn the_stack_that_is_alive_is_found_and_those_that_ended_are_not() -> Result<()> {
    let runs = std::env::temp_dir().join(format!("waybill-runs-{}", std::process::id()));
    let alive = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let ended = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
    assert_eq!(newest_alive(&runs)?, None, "nothing was started here yet");
    for port in [ended, alive.local_addr()?.port()] {
        fs::create_dir_all(runs.join(port.to_string()))?;
    }
    fs::write(runs.join(ended.to_string()).join("stack.json"), "{}")?;
    assert_eq!(newest_alive(&runs)?, None, "the one that is alive is being deployed");
    let description = runs.join(alive.local_addr()?.port().to_string()).join("stack.json");
    fs::write(&description, "{}")?;
    assert_eq!(newest_alive(&runs)?, Some(description));
    fs::remove_dir_all(runs)?;
    Ok(())
}
