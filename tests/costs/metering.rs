//! From calls to AWS, as the testkit's AWS answered them, to what AWS meters.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::Value;
use testkit::{Aws, Effect, Service};

use crate::usage::{Meter, Usage, number};

/// What was used so far. Clones share it.
#[derive(Clone, Default)]
pub struct Metering(Arc<Mutex<Usage>>);

impl Metering {
    /// Meters every call from now on. DynamoDB is asked to say what each call consumed.
    pub fn begin(aws: &Aws) -> Self {
        let metering = Self::default();
        let usage = metering.clone();
        aws.rewrite(|attempt| {
            let asks = attempt.service == Service::DynamoDb;
            asks.then(|| attempt.body.replacen('{', r#"{"ReturnConsumedCapacity":"TOTAL","#, 1))
        });
        aws.observe(move |call| meter(call, &mut usage.usage()));
        metering
    }

    pub fn add(&self, meter: Meter, amount: f64) {
        self.usage().add(meter, amount);
    }

    /// What was used since this was last asked.
    pub fn take(&self) -> Usage {
        std::mem::take(&mut self.usage())
    }

    fn usage(&self) -> MutexGuard<'_, Usage> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn meter(call: &Effect<'_>, usage: &mut Usage) {
    assert_eq!(call.status, 200, "nothing fails in a measurement: {}", call.answer);
    match call.service {
        Service::DynamoDb => capacity(call, usage),
        Service::Sqs => usage.add(requests_to(call.body), number(chunks(call.body.len()))),
        Service::Sns => usage.add(Meter::SnsRequests, number(chunks(call.body.len()))),
        // Once an environment and five minutes: what it costs does not grow with the commands.
        Service::Ses | Service::SecretsManager | Service::Connections => {}
        Service::DynamoDbStreams => panic!("only Lambda reads streams, which is not billed"),
        Service::CloudWatch => panic!("only a look at the console reads metrics"),
    }
}

/// The kind of queue that a queue's URL, or a request that names it, is about.
pub fn requests_to(queue: &str) -> Meter {
    if queue.contains(".fifo") { Meter::FifoRequests } else { Meter::StandardRequests }
}

/// How many requests SQS and SNS bill for one with so many bytes. An empty one is one.
pub fn chunks(bytes: usize) -> usize {
    bytes.div_ceil(64 * 1024).max(1)
}

fn capacity(call: &Effect<'_>, usage: &mut Usage) {
    let meter = match call.operation {
        "GetItem" | "BatchGetItem" | "Query" | "Scan" | "TransactGetItems" => Meter::ReadUnits,
        "PutItem" | "UpdateItem" | "DeleteItem" | "TransactWriteItems" => Meter::WriteUnits,
        "DescribeTable" => return,
        other => panic!("say whether {other} reads or writes"),
    };
    let answer: Value = serde_json::from_str(call.answer).expect("an answer is JSON");
    let consumed = match &answer["ConsumedCapacity"] {
        Value::Array(tables) => tables.iter().collect(),
        table => vec![table],
    };
    for table in consumed {
        usage.add(meter, table["CapacityUnits"].as_f64().expect("DynamoDB says what a call consumed"));
    }
}

#[test]
fn a_request_is_billed_by_chunks_of_64_kib() {
    assert_eq!([0, 1, 65_536, 65_537, 262_144].map(chunks), [1, 1, 1, 2, 4]);
}
