//! API Gateway's WebSocket connections: takes what is posted to those that are open.

use std::collections::HashMap;

use serde_json::Value;

use crate::answer::{Answer, Refusal};
use crate::aws::{Aws, lock};
use crate::request::Request;

/// What API Gateway sends at most, in bytes.
const MOST_BYTES: usize = 128 * 1024;

/// Open connections, with what was posted to each.
#[derive(Debug, Default)]
pub(crate) struct Sockets(HashMap<String, Vec<Value>>);

impl Sockets {
    pub fn open(&mut self, id: &str) {
        self.0.entry(id.to_owned()).or_default();
    }

    pub fn close(&mut self, id: &str) {
        self.0.remove(id);
    }

    pub fn is_open(&self, id: &str) -> bool {
        self.0.contains_key(id)
    }

    pub fn take(&mut self, id: &str) -> Vec<Value> {
        self.0.get_mut(id).map(std::mem::take).unwrap_or_default()
    }
}

pub(crate) fn answer(aws: &Aws, request: &Request) -> Answer {
    let refused = |code: &str, status: u16| {
        let refusal = Refusal { status, ..Refusal::bad_request(code, "as API Gateway says") };
        Answer::refusal(request.service, &refusal)
    };
    if request.body.len() > MOST_BYTES {
        return refused("PayloadTooLargeException", 413);
    }
    let id = request.path.rsplit('/').next().unwrap_or_default();
    let mut sockets = lock(&aws.world.sockets);
    if request.operation == "DeleteConnection" {
        return match sockets.0.remove(id) {
            Some(_) => Answer::with_status(204, String::new()),
            None => refused("GoneException", 410),
        };
    }
    match sockets.0.get_mut(id) {
        Some(frames) => {
            frames.push(serde_json::from_str(&request.body).expect("frames are JSON"));
            Answer::success(String::new())
        }
        None => refused("GoneException", 410),
    }
}
