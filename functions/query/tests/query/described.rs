//! `openapi.yaml` describes what query answers.

use serde_json::{Value, json};
use testkit::openapi::Description;

use crate::api::{Api, get, second, submitted};

#[tokio::test]
async fn every_described_path_answers_its_example() {
    let api = Api::new();
    api.order("demo", "O-1001", "C-7", second(0)).await;
    api.happens("demo/orders/O-1002", &[("OrderSubmitted", submitted("C-7", second(0)))], second(0)).await;
    let operation = api.accepts("demo", "c1", &json!(1), api.now()).receipt.to_string();
    let description = Description::read();
    for (path, item) in description.0["paths"].as_object().expect("paths") {
        // What operators ask for is other functions'.
        let of_operators = |read: &Value| read["tags"] == json!(["operators"]) || read["tags"] == json!(["webhooks"]);
        let Some(read) = item.get("get").filter(|read| !of_operators(read)) else { continue };
        let mut target = path.clone();
        let mut query = Vec::new();
        for parameter in read["parameters"].as_array().into_iter().flatten() {
            let parameter = description.resolve(parameter);
            let (name, example) = (parameter["name"].as_str().expect("a name"), &parameter["example"]);
            let text = example.as_str().map_or_else(|| example.to_string(), str::to_owned);
            match parameter["in"].as_str() {
                Some("path") if path.starts_with("/operations") => target = target.replace("{id}", &operation),
                Some("path") => target = target.replace(&format!("{{{name}}}"), &text),
                Some("query") if !example.is_null() => query.push(format!("{name}={text}")),
                _ => {}
            }
        }
        let answer = api.send(get(format!("{target}?{}", query.join("&")))).await;
        assert_eq!(answer.status, 200, "{target}: {answer:#?}");
    }
}
