//! SQS's JSON protocol: operations to the files of this folder, their outcomes to answers.

mod event;
mod queue;
mod receive;
mod send;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::answer::{Answer, Refusal};
use crate::aws::Aws;
use crate::request::Request;

pub(crate) use event::{sqs_event, succeeded};

/// What stands before the codes of SQS's older errors.
const PREFIX: &str = "AWS.SimpleQueueService.";
const DEFAULT_VISIBILITY_SECONDS: u64 = 30;

pub(crate) async fn answer(aws: &Aws, request: &Request, failing_entries: &[usize]) -> Answer {
    let body = &request.body;
    let outcome = match request.operation.as_str() {
        "SendMessage" => read(body).and_then(|request| send::one(aws, request)),
        "SendMessageBatch" => read(body).and_then(|request| send::batch(aws, request, failing_entries)),
        "ReceiveMessage" => match read(body) {
            Ok(request) => receive::receive(aws, &request).await,
            Err(refusal) => Err(refusal),
        },
        "DeleteMessage" => read(body).and_then(|receipt| receive::delete(aws, &receipt)),
        "DeleteMessageBatch" => {
            read(body).and_then(|request| receive::per_entry(aws, request, failing_entries, receive::delete))
        }
        "ChangeMessageVisibility" => read(body).and_then(|receipt| receive::change_visibility(aws, &receipt)),
        "ChangeMessageVisibilityBatch" => {
            read(body).and_then(|request| receive::per_entry(aws, request, failing_entries, receive::change_visibility))
        }
        "GetQueueAttributes" => read(body).map(|request| queue::attributes(aws, &request)),
        "GetQueueUrl" => read(body).map(|request| queue::url(&request)),
        "PurgeQueue" => read(body).map(|request| queue::purge(aws, &request)),
        unknown => Err(Refusal::bad_request("UnknownOperationException", format!("testkit does not answer {unknown}"))),
    };
    match outcome {
        Ok(answer) => Answer::success(answer.to_string()),
        Err(refusal) => Answer::refusal(request.service, &refusal),
    }
}

fn read<T: DeserializeOwned>(body: &str) -> Result<T, Refusal> {
    serde_json::from_str(body).map_err(|error| Refusal::bad_request("SerializationException", error.to_string()))
}

/// Whether the names that a request lists, `All` and `prefix.*` among them, include this one.
fn asked_for(names: &[String], name: &str) -> bool {
    names.iter().any(|asked| match asked.strip_suffix(".*") {
        Some(prefix) => name.starts_with(prefix),
        None => asked == "All" || asked == name,
    })
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Batch<T> {
    queue_url: String,
    entries: Vec<Entry<T>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Entry<T> {
    id: String,
    #[serde(flatten)]
    content: T,
}

/// The answer to a batch.
#[derive(Default)]
struct Results {
    successful: Vec<Value>,
    failed: Vec<Value>,
}

impl Results {
    fn successful(&mut self, id: &str, mut answer: Value) {
        answer["Id"] = json!(id);
        self.successful.push(answer);
    }

    fn failed(&mut self, id: &str, Refusal { status, code, message }: &Refusal) {
        let failed = json!({ "Id": id, "Code": code, "Message": message, "SenderFault": *status < 500 });
        self.failed.push(failed);
    }

    fn into_json(self) -> Value {
        json!({ "Successful": self.successful, "Failed": self.failed })
    }
}

fn injected() -> Refusal {
    Refusal { status: 500, code: "InternalError".to_owned(), message: "injected by the test".to_owned() }
}

fn invalid(message: String) -> Refusal {
    Refusal::bad_request("InvalidParameterValue", message)
}

fn missing(parameter: &str) -> Refusal {
    Refusal::bad_request("MissingParameter", format!("The request must contain the parameter {parameter}."))
}
