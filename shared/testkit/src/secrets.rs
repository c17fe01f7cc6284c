//! Secrets Manager: what a secret holds now, and since when.

use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use crate::answer::{Answer, Refusal};
use crate::aws::{Aws, lock};
use crate::request::Request;

/// Secrets by ARN.
#[derive(Debug, Default)]
pub(crate) struct Secrets(BTreeMap<String, Version>);

/// The current version of a secret.
#[derive(Debug)]
struct Version {
    text: String,
    created_at: SystemTime,
    /// How many there were before it.
    number: usize,
}

impl Secrets {
    pub fn put(&mut self, arn: &str, text: &str, now: SystemTime) {
        let number = self.0.get(arn).map_or(0, |version| version.number + 1);
        self.0.insert(arn.to_owned(), Version { text: text.to_owned(), created_at: now, number });
    }
}

pub(crate) fn answer(aws: &Aws, request: &Request) -> Answer {
    match request.operation.as_str() {
        "GetSecretValue" => get(aws, request),
        unknown => refusal(request, "InvalidRequestException", format!("testkit does not answer {unknown}")),
    }
}

fn get(aws: &Aws, request: &Request) -> Answer {
    let body: Value = serde_json::from_str(&request.body).unwrap_or_default();
    let arn = body["SecretId"].as_str().unwrap_or_default();
    let secrets = lock(&aws.world.secrets);
    let Some(version) = secrets.0.get(arn) else {
        return refusal(request, "ResourceNotFoundException", "Secrets Manager can't find the specified secret.");
    };
    let created_at = version.created_at.duration_since(UNIX_EPOCH).unwrap_or_default();
    let found = json!({
        "ARN": arn,
        "Name": arn.rsplit(':').next(),
        "SecretString": version.text,
        "VersionId": format!("00000000-0000-4000-8000-{:012}", version.number),
        "VersionStages": ["AWSCURRENT"],
        "CreatedDate": created_at.as_secs_f64(),
    });
    Answer::success(found.to_string())
}

fn refusal(request: &Request, code: &str, message: impl Into<String>) -> Answer {
    Answer::refusal(request.service, &Refusal::bad_request(code, message))
}
