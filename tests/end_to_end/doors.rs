//! What the API says before anything is asked of it: methods, paths, and what needs no token.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use serde_json::json;

use crate::api::{Client, fresh, submit_order};

#[test]
fn a_path_says_which_methods_it_has_and_a_path_that_is_none_says_so() {
    let client = Client::of("demo");
    for (method, path, allow) in [
        ("GET", "/commands", "OPTIONS, POST, PUT"),
        ("DELETE", "/commands", "OPTIONS, POST, PUT"),
        ("POST", "/orders", "GET, HEAD"),
        ("DELETE", "/orders/O-1", "GET, HEAD"),
        ("PATCH", "/schemas", "GET, HEAD"),
    ] {
        let answer = client.send(method, path, &[], "").expect(405);
        assert_eq!(
            (answer.problem(), answer.header("allow")),
            ("method-not-allowed".to_owned(), allow),
            "{method} {path}"
        );
    }
    for (method, path) in [("GET", "/nowhere"), ("POST", "/nowhere/at/all"), ("DELETE", "/")] {
        assert_eq!(client.send(method, path, &[], "").expect(404).problem(), "not-found", "{method} {path}");
    }
    let operator = Client::operator("platform");
    for (method, path, allow) in [
        ("DELETE", "/parked", "GET, HEAD"),
        ("POST", "/dead-letters", "GET, HEAD"),
        ("GET", "/parked/x/discard", "POST"),
        ("GET", "/redrive", "POST"),
    ] {
        assert_eq!(operator.send(method, path, &[], "").expect(405).header("allow"), allow, "{method} {path}");
    }
}

#[test]
fn head_is_get_without_the_content() {
    let (client, order) = (Client::of("demo"), fresh("O"));
    let resource = client.succeeded(&client.submit(&submit_order(&order, &fresh("C"))));
    let read = client.read(&resource);
    let head = client.send("HEAD", &resource, &[], "").expect(200);
    assert_eq!((head.header("etag"), head.text.as_str()), (read.header("etag"), ""));
    assert_eq!(read.header("x-content-type-options"), "nosniff");
    assert!(read.header("strict-transport-security").starts_with("max-age="));
}

#[test]
fn what_is_the_same_for_everybody_needs_no_token() {
    let stranger = Client::of("demo").without_token();
    assert_eq!(stranger.get("/health").expect(200).json(), json!({ "status": "ok" }));
    let description = stranger.get("/openapi.yaml").expect(200);
    assert!(description.text.contains(&stranger.url), "it names the API's own address");
    // The local stack answers OPTIONS itself.
    stranger.get("/orders/O-1").expect(401);
    stranger.get("/nowhere").expect(401);
}

#[test]
fn what_no_url_has_harms_nobody() {
    let client = Client::of("demo");
    let (host, base) = client.url.strip_prefix("http://").and_then(|url| url.split_once('/')).expect("host and path");
    for (target, headers) in [
        ("orders?status=\"<submitted>\"", ""),
        ("orders?status=%ff", ""),
        ("orders?status=submitted", "x-forwarded-proto: https,http\r\n"),
    ] {
        let mut stream = TcpStream::connect(host).expect("the API listens");
        let token = client.token();
        let request = format!(
            "GET /{base}/{target} HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer {token}\r\n{headers}connection: close\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).expect("the API takes the request");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer");
        let status = answer.split(' ').nth(1).expect("a status");
        assert!(["200", "400"].contains(&status), "{target} {headers}: {answer}");
    }
}
