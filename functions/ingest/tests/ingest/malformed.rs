//! Every malformed request of `events/malformed.json`, over HTTP: refused, with the attribute named, and not queued.

use bench::Request;
use serde::Deserialize;

use crate::api::Api;

const CASES: &str = include_str!("../../../../events/malformed.json");

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    headers: Vec<(String, String)>,
    body: String,
    attribute: Option<String>,
    /// Which event of a batch.
    #[serde(default)]
    index: Option<usize>,
    status: u16,
}

#[tokio::test]
async fn each_malformed_request_is_refused_with_the_attribute_named_and_nothing_is_queued() {
    let api = Api::new();
    let cases: Vec<Case> = serde_json::from_str(CASES).expect("the file of cases is valid");
    assert!(cases.len() > 100, "only {} cases", cases.len());
    for case in cases {
        let headers = case.headers.into_iter().map(|(name, value)| (name, value.into_bytes())).collect();
        let answer = api.send(Request::raw(headers, case.body)).await;
        assert_eq!(answer.status.as_u16(), case.status, "{}: {answer:#?}", case.name);
        let attribute = match (case.status, case.index) {
            (415, _) => {
                let problem = answer.refused("unsupported-media-type");
                assert_eq!(problem.attribute.as_deref(), Some("content-type"), "{}", case.name);
                None
            }
            (_, None) => answer.refused("malformed-event").attribute,
            (_, Some(index)) => {
                let problem = answer.refused("invalid-batch");
                let malformed = |fault: &&kernel::problem::Complaint| {
                    fault.ty.as_deref() == Some("urn:waybill:problem:malformed-event")
                };
                let faults: Vec<_> = problem.errors.iter().filter(malformed).collect();
                let [fault] = faults[..] else { panic!("{}: {problem:#?}", case.name) };
                assert_eq!(fault.index, Some(index), "{}", case.name);
                fault.attribute.clone()
            }
        };
        assert_eq!(attribute, case.attribute, "{}", case.name);
    }
    api.assert_nothing_queued();
}
