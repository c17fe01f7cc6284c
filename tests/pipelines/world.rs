//! A tenant whose shop's commands go to a queue of its own, and whoever takes part in them.

use std::time::Duration;

use bench::http::{client, user};
use bench::platform::{RECEIPT_KEY, environment, receipt_secret, register_client, register_operator, register_tenant};
use bench::{Answer, Installation, Request};
use ingest::Ingest;
use operator::Desk;
use query::Query;
use serde_json::{Value, json};
use testkit::{Aws, Message};

/// How long the consumer has.
pub const WITHIN: Duration = Duration::from_hours(24);

pub struct World {
    pub aws: Aws,
    pub installation: Installation,
    ingest: Ingest,
    query: Query,
    desk: Desk,
}

/// What a consumer says of a command.
pub fn succeeded() -> Value {
    json!({ "status": "succeeded", "resource": { "href": "https://legacy.example/orders/7", "version": 3 } })
}

pub fn rejected(reason: &str) -> Value {
    json!({ "status": "rejected", "reason": reason, "detail": "There are only two left" })
}

pub fn pipeline() -> String {
    Aws::queue_url("demo-legacy.fifo")
}

impl World {
    pub fn new() -> Self {
        let aws = Aws::new();
        aws.put_secret(&receipt_secret(), RECEIPT_KEY);
        register_client(&aws, "shop-client", "demo");
        register_client(&aws, "consumer", "demo");
        register_client(&aws, "stranger", "neighbour");
        register_operator(&aws, "user:olga", Some("demo"));
        let all = json!([{ "principals": ["*"], "types": ["*"], "sources": ["https://shop.example/"] }]);
        let routes = json!([
            { "source": "https://shop.example/", "queue": pipeline() },
            { "source": "https://shop.example/tills/" },
        ]);
        register_tenant(&aws, "demo", &json!({ "grants": all, "routes": routes }));
        register_tenant(&aws, "neighbour", &json!({ "grants": all, "routes": [] }));
        let reports =
            json!([{ "principals": ["client:consumer"], "types": ["*"], "sources": ["https://shop.example/"] }]);
        for (tenant, within) in [("demo", Some(WITHIN.as_secs())), ("neighbour", None)] {
            let mut document = json!({ "reports": reports });
            if let Some(within) = within {
                document["reportWithinSeconds"] = json!(within);
            }
            let key = format!("tenant#{tenant}");
            aws.register(&json!({ "registry_key": key, "entry": "pipelines", "document": document.to_string() }));
        }
        let environment = environment();
        let (dynamodb, secrets) = (aws.dynamodb(), aws.secrets_manager());
        Self {
            ingest: Ingest::from_environment(&environment, dynamodb.clone(), aws.sqs(), secrets.clone())
                .expect("settings"),
            query: Query::from_environment(&environment, dynamodb.clone(), secrets).expect("settings"),
            desk: Desk::from_environment(&environment, dynamodb, aws.sqs(), aws.secrets_manager(), aws.cloudwatch())
                .expect("settings"),
            installation: Installation::on(aws.clone(), &[]),
            aws,
        }
    }

    /// Submits an order from the shop.
    pub async fn submit(&self, id: &str) -> Answer {
        self.submit_from("https://shop.example/checkout", id).await
    }

    pub async fn submit_from(&self, source: &str, id: &str) -> Answer {
        let order = include_str!("../../events/orders/submit-order.json");
        let mut order: Value = serde_json::from_str(order).expect("a sample event");
        order["id"] = json!(id);
        order["source"] = json!(source);
        self.to_ingest(Request::structured(&order)).await
    }

    async fn to_ingest(&self, request: Request) -> Answer {
        request.answered(|request| self.ingest.handle(request, self.installation.now())).await
    }

    /// The messages that wait in the queue of the tenant's own.
    pub fn queued(&self) -> Vec<Message> {
        self.aws.messages(&pipeline())
    }

    /// The consumer reports this of the command in this message.
    pub async fn report(&self, message: &str, report: &Value) -> Answer {
        self.report_as("consumer", message, report).await
    }

    pub async fn report_as(&self, by: &str, message: &str, report: &Value) -> Answer {
        let command: Value = serde_json::from_str(message).expect("JSON");
        let operation = command["operationid"].as_str().expect("an operation").to_owned();
        self.report_on(by, &operation, &command, report).await
    }

    pub async fn report_on(&self, by: &str, operation: &str, command: &Value, report: &Value) -> Answer {
        let mut report = report.clone();
        report["command"] = command.clone();
        let request = Request::get(format!("/operations/{operation}/outcome")).method("PUT");
        let request = request.media_type("application/json").body(report.to_string());
        self.to_ingest(request.by(client(by, "waybill/submit"))).await
    }

    /// The operation as the shop sees it.
    pub async fn follow(&self, operation: &str) -> Value {
        let request = Request::get(format!("/operations/{operation}")).by(client("shop-client", "waybill/read"));
        request.answered(|request| self.query.handle(request, self.installation.now())).await.ok().json()
    }

    /// What the tenant's operator gets.
    pub async fn operator(&self, request: Request) -> Answer {
        let request = request.by(user("console", "olga", None, "waybill/operate"));
        request.answered(|request| self.desk.handle(request, self.installation.now())).await
    }

    /// What waits for the operator.
    pub async fn waiting(&self) -> Vec<Value> {
        let list = self.operator(Request::get("/parked?limit=100&queue=own")).await.ok().json();
        list["items"].as_array().expect("a list").clone()
    }
}
