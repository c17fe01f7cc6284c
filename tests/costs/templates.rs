//! What the templates declare that costs something even when nothing happens.

use std::collections::BTreeMap;
use std::fs;

use serde_json::{Map, Value};
use testkit::template_json;

use crate::assumptions::LAMBDA_LOG_BYTES;

/// Those whose costs are told, however many others somebody adds.
pub const CONTEXTS: [&str; 2] = ["orders", "policies"];
const SUBSCRIBER: &str = "ReadModel";

/// The templates of what is deployed by default, their loops unrolled, with some of the contexts and one subscriber.
pub struct Templates {
    parameters: Value,
    globals: Value,
    resources: BTreeMap<String, Value>,
}

impl Templates {
    pub fn with(contexts: &[&str]) -> Self {
        let files = ["template.yaml", "observability.yaml", "live.yaml", "pages.yaml"];
        let [main, observability, live, pages] = files.map(|name| {
            let path = format!("{}/../{name}", env!("CARGO_MANIFEST_DIR"));
            template_json(&fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}")))
        });
        let mut resources = BTreeMap::new();
        for template in [&main, &observability, &live, &pages] {
            unroll(template["Resources"].as_object().expect("a template has resources"), contexts, &mut resources);
        }
        Self { parameters: main["Parameters"].clone(), globals: main["Globals"].clone(), resources }
    }

    fn of<'a>(&'a self, ty: &'a str) -> impl Iterator<Item = &'a Value> {
        let those = self.resources.values().filter(move |resource| resource["Type"] == ty);
        those.map(|resource| &resource["Properties"])
    }

    pub fn count(&self, ty: &str) -> usize {
        self.of(ty).count()
    }

    /// Metrics that alarms watch: one each, or as many as their formulas take in.
    pub fn alarm_metrics(&self) -> usize {
        let watched = |alarm: &Value| match alarm["Metrics"].as_array() {
            Some(metrics) => metrics.iter().filter(|metric| metric["MetricStat"].is_object()).count(),
            None => 1,
        };
        self.of("AWS::CloudWatch::Alarm").map(watched).sum()
    }

    /// Of each queue that Lambda polls, whether it is FIFO.
    pub fn polled_queues(&self) -> Vec<bool> {
        let functions = self.of("AWS::Serverless::Function");
        let events = functions.flat_map(|function| function["Events"].as_object().into_iter().flat_map(Map::values));
        let queues = events.filter(|event| event["Type"] == "SQS").map(|event| &event["Properties"]["Queue"]);
        let fifo = |queue: &Value| {
            let arn = queue.as_str().or_else(|| queue["Fn::GetAtt"][0].as_str()).expect("a queue's ARN");
            let id = arn.split('.').next().unwrap_or(arn);
            let queue = self.resources.get(id).unwrap_or_else(|| panic!("no queue {id}"));
            queue["Properties"]["FifoQueue"] == true
        };
        queues.map(fifo).collect()
    }

    /// A function's memory, in MB.
    pub fn memory(&self, function: &str) -> f64 {
        let own = &self.resources[function]["Properties"]["MemorySize"];
        let memory = own.as_f64().or_else(|| self.globals["Function"]["MemorySize"].as_f64());
        memory.expect("a function has a size")
    }

    /// Bytes that Lambda itself logs of an invocation that does not fail.
    pub fn lambda_log_bytes(&self) -> f64 {
        if self.parameters["SystemLogLevel"]["Default"] == "WARN" { 0.0 } else { LAMBDA_LOG_BYTES }
    }

    /// A number that is a parameter's default.
    pub fn parameter(&self, name: &str) -> f64 {
        self.parameters[name]["Default"].as_f64().unwrap_or_else(|| panic!("{name} has a number as its default"))
    }

    /// Days that a production installation keeps its logs.
    pub fn log_retention(&self) -> f64 {
        // `!If [IsProduction, days, …]`
        self.resources["ApiLogs"]["Properties"]["RetentionInDays"][1].as_f64().expect("days in production")
    }
}

/// Resources by logical id, those in `Fn::ForEach` once per item of its list; of contexts and subscribers,
/// only these.
fn unroll(resources: &Map<String, Value>, contexts: &[&str], into: &mut BTreeMap<String, Value>) {
    for (id, resource) in resources {
        if !id.starts_with("Fn::ForEach::") {
            into.insert(id.clone(), resource.clone());
            continue;
        }
        let name = resource[0].as_str().expect("a loop has a name");
        for item in resource[1].as_array().expect("a loop has a list") {
            let item = item.as_str().expect("a list of texts");
            if name == "Context" && !contexts.contains(&item) || name == "Subscriber" && item != SUBSCRIBER {
                continue;
            }
            let text = resource[2].to_string().replace(&format!("${{{name}}}"), item);
            unroll(&serde_json::from_str(&text).expect("still JSON"), contexts, into);
        }
    }
}

#[test]
fn loops_are_unrolled_and_formulas_counted() {
    let templates = Templates::with(&CONTEXTS);
    for context in CONTEXTS {
        let queue = format!("{context}Commands");
        assert_eq!(templates.resources[&queue]["Properties"]["FifoQueue"], true);
    }
    assert!(templates.alarm_metrics() > templates.count("AWS::CloudWatch::Alarm"), "some alarms watch two metrics");
    assert_eq!(templates.polled_queues().iter().filter(|fifo| **fifo).count(), CONTEXTS.len());
    assert!(templates.memory("policiesCommandHandler") > templates.memory("Ingest"));
}
