//! [`Live`]: WebSocket connections, the function behind them, and the one that pushes.

use std::cell::RefCell;
use std::collections::HashMap;
use std::time::Duration;

use connections::{Clients, Server};
use push::Push;
use serde_json::{Value, json};
use testkit::{Aws, TABLES};
use tokio::time::Instant;

use crate::http::Request;
use crate::platform;

/// How long an invocation may take.
const TIMEOUT: Duration = Duration::from_secs(25);

/// The WebSocket API of an installation.
pub struct Live {
    pub aws: Aws,
    // In boxes: they are part of many a test's future.
    pub server: Box<Server>,
    pub push: Box<Push>,
    /// Of each open connection, what the authorizer has said.
    authorized: RefCell<HashMap<String, Value>>,
    /// Records of the stream that push has not handled yet.
    ended: RefCell<Vec<Value>>,
}

impl Live {
    /// Functions are wired as they themselves do it.
    pub fn on(aws: Aws) -> Self {
        let environment = platform::environment();
        let clients = Clients {
            dynamodb: aws.dynamodb(),
            sqs: aws.sqs(),
            secrets_manager: aws.secrets_manager(),
            connections: aws.connections(),
        };
        let server = Server::from_environment(&environment, clients).expect("settings");
        let push = Push::from_environment(&environment, aws.dynamodb(), aws.connections()).expect("settings");
        Self {
            aws,
            server: Box::new(server),
            push: Box::new(push),
            authorized: RefCell::default(),
            ended: RefCell::default(),
        }
    }

    /// What `POST /connections` answers the caller with these claims, as the gateway gets it.
    pub async fn ask_for_a_ticket(&self, claims: Value) -> Value {
        self.invoke(&Request::post("/connections").by(claims).event()).await
    }

    /// A ticket for a caller who may have one.
    pub async fn ticket(&self, claims: Value) -> String {
        let answer = self.ask_for_a_ticket(claims).await;
        let body: Value = serde_json::from_str(answer["body"].as_str().unwrap_or_default()).unwrap_or_default();
        let url = body["url"].as_str().unwrap_or_else(|| panic!("no ticket: {answer}"));
        url.split_once("?ticket=").expect("a ticket").1.to_owned()
    }

    /// A handshake, as the gateway makes it of its parts. Gives whether the connection is open.
    pub async fn connect(&self, id: &str, ticket: &str) -> bool {
        let arn = "arn:aws:execute-api:us-east-1:000000000000:sockets/live/$connect";
        let asked = json!({
            "type": "REQUEST", "methodArn": arn, "queryStringParameters": { "ticket": ticket },
            "requestContext": { "routeKey": "$connect", "eventType": "CONNECT", "connectionId": id, "stage": "live" },
        });
        let said = self.invoke(&asked).await;
        if said["policyDocument"]["Statement"][0]["Effect"] != "Allow" {
            return false;
        }
        let mut context = said["context"].clone();
        context["principalId"] = said["principalId"].clone();
        context["integrationLatency"] = json!(7);
        self.authorized.borrow_mut().insert(id.to_owned(), context);
        let answer = self.invoke(&self.event(id, "CONNECT", "")).await;
        let is_open = answer["statusCode"] == 200;
        if is_open {
            self.aws.connect(id);
        } else {
            self.authorized.borrow_mut().remove(id);
        }
        is_open
    }

    /// The connection is cut. Nobody is told.
    pub fn cut(&self, id: &str) {
        self.aws.disconnect(id);
        self.authorized.borrow_mut().remove(id);
    }

    /// Sends a frame. Gives whether the gateway has handed it on and the function has answered.
    pub async fn send(&self, id: &str, text: &str) -> bool {
        let event = self.event(id, "MESSAGE", text).to_string();
        self.server.handle(&event, self.aws.now().into()).await.is_ok()
    }

    /// Sends a frame, and gives what has come back by then.
    pub async fn say(&self, id: &str, frame: &Value) -> Vec<Value> {
        assert!(self.send(id, &frame.to_string()).await, "not answered\n{}", self.aws.calls());
        self.aws.take_frames(id)
    }

    /// Push at the operations table's stream, behind its filter in `live.yaml`. Gives whether it has handled the batch; if
    /// not, that comes again.
    pub async fn push(&self) -> bool {
        let mut event = self.aws.stream_event(TABLES.operations);
        let records = event["Records"].as_array_mut().map(std::mem::take).unwrap_or_default();
        let batch = {
            let mut waiting = self.ended.borrow_mut();
            waiting.extend(records.into_iter().filter(is_pushed));
            waiting.clone()
        };
        if batch.is_empty() {
            return true;
        }
        let event = serde_json::from_value(json!({ "Records": batch })).expect("an event of the stream");
        let handled = self.push.handle(event, self.aws.now().into(), Instant::now() + TIMEOUT).await;
        if handled.is_ok() {
            self.ended.borrow_mut().clear();
        }
        handled.is_ok()
    }

    async fn invoke(&self, event: &Value) -> Value {
        let handled = self.server.handle(&event.to_string(), self.aws.now().into()).await;
        handled.unwrap_or_else(|error| panic!("{error}\n{}", self.aws.calls()))
    }

    fn event(&self, id: &str, ty: &str, body: &str) -> Value {
        let authorizer = self.authorized.borrow().get(id).cloned();
        json!({
            "requestContext": {
                "eventType": ty, "connectionId": id, "stage": "live", "authorizer": authorizer,
                "routeKey": if ty == "CONNECT" { "$connect" } else { "$default" },
            },
            "body": body, "isBase64Encoded": false,
        })
    }
}

/// What passes the filter before push, in `live.yaml`: a record of the operations table's stream.
pub fn is_pushed(record: &Value) -> bool {
    let outcome = record["dynamodb"]["NewImage"]["outcome"]["S"].as_str().unwrap_or_default();
    matches!(outcome, "succeeded" | "rejected" | "discarded" | "parked")
}
