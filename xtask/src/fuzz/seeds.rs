//! What fuzzing begins with: the repository's samples and recorded events, in the form that each target reads.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde_json::Value;

/// Receipts and cursors, as `openapi.yaml` shows them.
const RECEIPT: &str = "AQGbwP2KOyxw4St6Bkb5Inn0J8ezjnPtcAK0OemshF8iNX2CK6wUNIpin1zu0DLD6HBuxH2b-g";
const LIST: &str = "MjAyNi0wMS0xNVQwOTozMDowMC4xMjNaI08tMTAwMQ";
const PARKED: &str = "MCNkZW1vI29yZGVycyMyMDI2LTAxLTE1VDA5OjMwOjAwLjEyM1ojZjA5YjRkMmZjN2VmMmQyMmIyYTQ4YmFlZTdjMjM2Mjc";

/// Writes the target's seeds into the folder, a file each.
pub fn write(root: &Path, target: &str, folder: &Path) -> Result<()> {
    fs::create_dir_all(folder)?;
    for (number, seed) in of(root, target)?.into_iter().enumerate() {
        fs::write(folder.join(format!("{number:03}")), seed)?;
    }
    Ok(())
}

fn of(root: &Path, target: &str) -> Result<Vec<String>> {
    let events = root.join("events");
    let samples = || texts(&["accounts", "checks", "orders", "policies"].map(|context| events.join(context)));
    Ok(match target {
        "structured" => {
            [samples()?, malformed(&events, "structured")?.into_iter().map(|case| case.body).collect()].concat()
        }
        "batch" => {
            let batches = malformed(&events, "batch")?.into_iter().map(|case| case.body);
            batches.chain([format!("[{}]", samples()?.join(","))]).collect()
        }
        "binary" => {
            let samples = samples()?.into_iter().map(|sample| in_binary_mode(&sample)).collect::<Result<Vec<_>>>()?;
            [samples, malformed(&events, "binary")?.into_iter().map(Case::in_one_text).collect()].concat()
        }
        "receipt" => vec![RECEIPT.to_owned()],
        "cursor" => [LIST, PARKED].map(str::to_owned).to_vec(),
        "schema" => {
            let schemas = texts(
                &["accounts", "checks", "orders", "policies"].map(|context| events.join("schemas").join(context)),
            )?;
            let samples = samples()?.iter().map(|sample| data(sample)).collect::<Result<Vec<_>>>()?;
            schemas.iter().flat_map(|schema| samples.iter().map(move |data| format!("{schema}\n---\n{data}"))).collect()
        }
        "queue_message" => {
            let queued =
                texts(&["orders", "policies"].map(|context| events.join("recorded").join(context).join("queue")))?;
            [
                queued,
                bodies(&events.join("aws/command-handler.json"))?,
                bodies(&events.join("aws/read-model-updater.json"))?,
            ]
            .concat()
        }
        _ => ["aws/publisher.json", "aws/publisher-retries.json"]
            .map(|file| fs::read_to_string(events.join(file)))
            .into_iter()
            .collect::<Result<_, _>>()?,
    })
}

/// The text of each JSON file in these folders.
fn texts(folders: &[impl AsRef<Path>]) -> Result<Vec<String>> {
    let mut files = Vec::new();
    for folder in folders {
        let folder = folder.as_ref();
        for entry in fs::read_dir(folder).with_context(|| folder.display().to_string())? {
            files.push(entry?.path());
        }
    }
    files.sort();
    files.iter().map(|file| fs::read_to_string(file).with_context(|| file.display().to_string())).collect()
}

/// A request that ingest refuses.
struct Case {
    headers: Vec<(String, String)>,
    body: String,
}

impl Case {
    /// As the target `binary` reads it.
    fn in_one_text(self) -> String {
        let headers = self.headers.into_iter().map(|(name, value)| format!("{name}: {value}\n"));
        headers.chain(["\n".to_owned(), self.body]).collect()
    }
}

/// Those of `events/malformed.json` that are in the mode.
fn malformed(events: &Path, mode: &str) -> Result<Vec<Case>> {
    let cases: Vec<Value> = serde_json::from_str(&fs::read_to_string(events.join("malformed.json"))?)?;
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let case = |case: &Value| Case {
        headers: case["headers"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|pair| (text(&pair[0]), text(&pair[1])))
            .collect(),
        body: text(&case["body"]),
    };
    let of_mode = |case: &&Value| text(&case["name"]).starts_with(mode);
    Ok(cases.iter().filter(of_mode).map(case).collect())
}

fn in_binary_mode(sample: &str) -> Result<String> {
    let event: Value = serde_json::from_str(sample)?;
    let attributes = event.as_object().context("an event is an object")?.iter();
    let headers = attributes.filter(|(name, _)| !["data", "datacontenttype"].contains(&name.as_str()));
    let headers = headers.map(|(name, value)| format!("ce-{name}: {}\n", value.as_str().unwrap_or_default()));
    Ok(headers.chain(["content-type: application/json\n\n".to_owned(), event["data"].to_string()]).collect())
}

fn data(sample: &str) -> Result<String> {
    Ok(serde_json::from_str::<Value>(sample)?["data"].to_string())
}

/// What the messages of a recorded event say.
fn bodies(file: &Path) -> Result<Vec<String>> {
    let event: Value = serde_json::from_str(&fs::read_to_string(file)?)?;
    let records = event["Records"].as_array().into_iter().flatten();
    Ok(records.filter_map(|record| record["body"].as_str().map(str::to_owned)).collect())
}
