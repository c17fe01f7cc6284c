//! `Content-Encoding`: bodies that come compressed, and how those are refused that cannot be read.

use bench::Request;
use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::json;

use crate::api::{Api, bind_policy, submit_order, with};

pub fn gzip(plain: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(plain).and_then(|()| encoder.finish()).expect("memory takes it")
}

/// The request, its body compressed.
fn gzipped(request: Request) -> Request {
    let body = gzip(&request.body);
    Request { body, ..request }.header("content-encoding", "gzip")
}

#[tokio::test]
async fn a_compressed_command_is_the_same_command() {
    let event = submit_order();
    let batch = Request::batch(&[submit_order(), bind_policy()]);
    for request in [Request::structured(&event), Request::binary(&event), batch] {
        let (plain, compressed) = (Api::new(), Api::new());
        plain.send(request.clone()).await.accepted();
        compressed.send(gzipped(request)).await.accepted();
        let (plain, compressed) = (plain.only_command("orders").1, compressed.only_command("orders").1);
        assert_eq!(compressed.json(), plain.json());
    }
}

#[tokio::test]
async fn identity_is_no_coding_and_names_are_in_any_case() {
    let api = Api::new();
    for (nth, coding) in ["identity", "Identity", ""].into_iter().enumerate() {
        let event = with(submit_order(), &json!({ "id": format!("plain-{nth}") }));
        api.send(Request::structured(&event).header("content-encoding", coding)).await.accepted();
    }
    for (nth, coding) in ["GZIP", "x-gzip", "identity, gzip"].into_iter().enumerate() {
        let event = with(submit_order(), &json!({ "id": format!("compressed-{nth}") }));
        let request = Request::structured(&event);
        let body = gzip(&request.body);
        api.send(Request { body, ..request }.header("content-encoding", coding)).await.accepted();
    }
}

#[tokio::test]
async fn another_coding_is_not_supported_and_the_answer_says_which_is() {
    let api = Api::new();
    for coding in ["br", "deflate", "zstd", "compress", "gzip, gzip", "gzip, br", "aes128gcm"] {
        let answer = api.send(Request::structured(&submit_order()).header("content-encoding", coding)).await;
        assert_eq!(answer.header("accept-encoding"), "gzip", "{coding}");
        let problem = answer.refused("unsupported-media-type");
        assert_eq!(problem.attribute.as_deref(), Some("content-encoding"), "{problem:#?}");
    }
    let answer = api.send(Request::of_type("application/cloudevents+avro", "")).await;
    assert!(answer.headers.get("accept-encoding").is_none(), "it is the media type that is at fault: {answer:#?}");
    api.assert_nothing_queued();
}

#[tokio::test]
async fn a_plain_body_that_says_it_is_compressed_is_refused() {
    let api = Api::new();
    let plain = Request::structured(&submit_order());
    let cut = gzipped(plain.clone());
    let cut = Request { body: cut.body[..cut.body.len() - 9].to_vec(), ..cut };
    for request in [plain.header("content-encoding", "gzip"), cut] {
        let problem = api.send(request).await.refused("malformed-event");
        assert_eq!(problem.attribute.as_deref(), Some("content-encoding"), "{problem:#?}");
        assert!(problem.detail.contains("not gzip"), "{problem:#?}");
    }
    api.assert_nothing_queued();
}

#[tokio::test]
async fn a_compressed_body_has_the_limits_of_a_plain_one() {
    let api = Api::new();
    let spaces = |count: usize| vec![b' '; count];
    let event = gzipped(Request::of_type("application/cloudevents+json", spaces(256 * 1024 + 1)));
    let mut binary = Request::binary(&submit_order());
    binary.body = spaces(10_000_000);
    let batch = |count| gzipped(Request::of_type("application/cloudevents-batch+json", spaces(count)));
    for request in [event, gzipped(binary), batch(6 * 1024 * 1024 + 1), batch(30_000_000)] {
        assert!(request.body.len() < 200_000, "{}", request.body.len());
        api.send(request).await.refused("too-large");
    }
    api.send(batch(6 * 1024 * 1024)).await.refused("malformed-event");
    api.assert_nothing_queued();
}
