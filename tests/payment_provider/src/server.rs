//! The provider on a port of loopback.

use std::io::Write as _;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use http::Request;
use tiny_http::{Header, Response};

use crate::{Provider, Reply};

/// A running provider, which ends when dropped.
pub struct Server {
    /// Its address, without a slash at its end.
    pub url: String,
    server: Arc<tiny_http::Server>,
    listener: Option<JoinHandle<()>>,
}

type Cause = Box<dyn std::error::Error + Send + Sync>;

impl Server {
    /// On that port of loopback; on any free one for 0.
    pub fn start(provider: Provider, port: u16) -> Result<Self, Cause> {
        let server = Arc::new(tiny_http::Server::http(("127.0.0.1", port))?);
        let address = server.server_addr().to_ip().ok_or("it listens on no port")?;
        let (provider, listening) = (Arc::new(provider), Arc::clone(&server));
        let listener = thread::spawn(move || {
            for request in listening.incoming_requests() {
                let provider = Arc::clone(&provider);
                // One that is slow must not hold up the others.
                thread::spawn(move || carry(&provider, request));
            }
        });
        Ok(Self { url: format!("http://{address}"), server, listener: Some(listener) })
    }

    /// Goes on until the process ends.
    pub fn wait(mut self) {
        if let Some(listener) = self.listener.take() {
            let _ = listener.join();
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.server.unblock();
        if let Some(listener) = self.listener.take() {
            let _ = listener.join();
        }
    }
}

fn carry(provider: &Provider, mut received: tiny_http::Request) {
    let mut body = String::new();
    if received.as_reader().read_to_string(&mut body).is_err() {
        return;
    }
    let mut request = Request::builder().method(received.method().as_str()).uri(received.url());
    for header in received.headers() {
        request = request.header(header.field.as_str().as_str(), header.value.as_str());
    }
    let Ok(request) = request.body(body) else { return };
    let answer = match provider.answer(&request) {
        Reply::Now(answer) => answer,
        Reply::After(time, answer) => {
            thread::sleep(time);
            answer
        }
        // What is no HTTP ends the exchange for whoever waits.
        Reply::Never => {
            let mut writer = received.into_writer();
            let _ = writer.write_all(b"lost\r\n\r\n").and_then(|()| writer.flush());
            return;
        }
    };
    let json = Header::from_bytes("content-type", "application/json").expect("a header");
    let (head, body) = answer.into_parts();
    // Whoever went away meanwhile gets nothing.
    let _ = received.respond(Response::from_string(body).with_status_code(head.status.as_u16()).with_header(json));
}
