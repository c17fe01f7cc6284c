//! What a run makes of each answer: it goes the whole way, or says at which step and why not.

use std::time::Duration;

use kernel::operation::{Operation, Status};
use kernel::problem::Problem;
use kernel::timestamp::Timestamp;
use serde_json::json;
use synthetic_check::Step;
use testkit::Fault;

use crate::api::{API, Answer, Api, Instead, OPERATION, Ran, SECRET, TOKEN, document, ended, json_of, later};

/// A run in which one step is answered so, each time it asks.
async fn run_with(step: Step, answer: impl Fn() -> Answer + Send + 'static) -> Ran {
    let instead = move |asking, _| if asking == step { Instead::Other(answer()) } else { Instead::Good };
    Api::but_for(instead).run().await
}

/// The failed run was counted under its step, and its one error says this; it gives nothing away.
#[track_caller]
fn assert_fails(ran: &Ran, step: Step, error: &str) {
    let failure = ran.result.as_ref().expect_err("it fails");
    assert_eq!(failure.step, step, "{}", ran.logged);
    // As alarms and dashboards have it.
    let name = match step {
        Step::Token => "token",
        Step::Submit => "submit",
        Step::Outcome => "outcome",
        Step::Read => "read",
    };
    let of_operation = if matches!(step, Step::Outcome | Step::Read) { " of operation AQGb1" } else { "" };
    let expected = format!("the check failed at the step {name}{of_operation}: {error}");
    assert!(ran.logged.contains(&expected), "{}\nlacks\n{expected}", ran.logged);
    assert_eq!(ran.metrics.counters(), [(format!("CheckFailed Step={name}"), 1)].into());
    assert_eq!(ran.metrics.values("CheckDuration"), [] as [f64; 0]);
    for secret in [SECRET, TOKEN, "Basic", "Bearer"] {
        assert!(!ran.logged.contains(secret), "{}", ran.logged);
    }
}

#[tokio::test(start_paused = true)]
async fn a_run_goes_the_whole_way_and_waits_as_long_as_it_is_told() {
    let ran = Api::good().run().await;
    let passed = ran.result.expect("it passes");
    assert_eq!(passed.operation, OPERATION);
    // After the 202, two questions for the outcome, one for the document.
    assert_eq!(ran.took, Duration::from_secs(1 + 1 + 10 + 2));
    assert_eq!(passed.milliseconds, 14_000);
    assert_eq!(ran.metrics.counters(), [("CheckSucceeded".to_owned(), 1)].into());
    assert_eq!(ran.metrics.values("CheckDuration"), [14_000.0]);
    assert_eq!(ran.logged, "", "nothing is worth a line");
}

#[tokio::test(start_paused = true)]
async fn without_its_secret_there_is_no_token() {
    let api = Api::good();
    api.aws.inject(|_| Fault::refuse(400, "AccessDeniedException"));
    assert_fails(&api.run().await, Step::Token, "the secret with the credentials cannot be read");

    for secret in
        ["", "not JSON", r#"{"client_id": "checker"}"#, r#"{"client_id": 1, "client_secret": 2, "token_url": 3}"#]
    {
        let api = Api::good();
        api.aws.put_secret(&crate::api::secret_arn(), secret);
        assert_fails(&api.run().await, Step::Token, "the secret with the credentials is not JSON with");
        assert_eq!(api.web.requests().len(), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_token_that_is_refused_is_said_with_the_code_that_rfc_6749_has_for_it() {
    let refused =
        run_with(Step::Token, || json_of(400, &json!({ "error": "invalid_client", "error_description": SECRET })));
    assert_fails(&refused.await, Step::Token, "the answer is 400 Bad Request: invalid_client");

    let odd = run_with(Step::Token, || json_of(401, &json!({ "error": SECRET }))).await;
    assert_fails(&odd, Step::Token, "the answer is 401 Unauthorized");
    let other = run_with(Step::Token, || json_of(200, &json!({ "id_token": TOKEN }))).await;
    assert_fails(&other, Step::Token, "the answer does not hold an access token");
}

#[tokio::test(start_paused = true)]
async fn a_command_that_is_not_taken_is_said_with_its_problem() {
    let down = run_with(Step::Submit, || json_of(503, &Problem::unavailable("the queue does not answer"))).await;
    assert_fails(&down, Step::Submit, "the answer is 503 Service Unavailable: urn:waybill:problem:unavailable");

    let gateway = run_with(Step::Submit, || json_of(403, &json!({ "message": TOKEN }))).await;
    assert_fails(&gateway, Step::Submit, "the answer is 403 Forbidden");
    let homeless = run_with(Step::Submit, || json_of(202, &json!({}))).await;
    assert_fails(&homeless, Step::Submit, "the answer does not hold a Location");
}

#[tokio::test(start_paused = true)]
async fn an_outcome_other_than_success_is_said() {
    let unknown = || Problem::not_found("nobody knows");
    let rejected = run_with(Step::Outcome, move || ended(Status::Rejected, Some(unknown()))).await;
    assert_fails(&rejected, Step::Outcome, "the operation is rejected: urn:waybill:problem:not-found");
    for status in [Status::Parked, Status::Discarded] {
        let ran = run_with(Step::Outcome, move || ended(status, None)).await;
        assert_fails(&ran, Step::Outcome, &format!("the operation is {}", status.as_str()));
    }
    let lost = run_with(Step::Outcome, move || json_of(404, &unknown())).await;
    assert_fails(&lost, Step::Outcome, "the answer is 404 Not Found: urn:waybill:problem:not-found");
}

#[tokio::test(start_paused = true)]
async fn an_outcome_that_never_comes_ends_with_the_time() {
    let accepted = || json_of(200, &Operation::accepted(OPERATION, Timestamp::from_millis(0)));
    let ran = run_with(Step::Outcome, accepted).await;
    assert_fails(&ran, Step::Outcome, "time is up");
    assert_eq!(ran.took, Duration::from_mins(1));
}

#[tokio::test(start_paused = true)]
async fn a_document_that_never_comes_ends_with_the_time() {
    let ran = run_with(Step::Read, || later(json_of(404, &Problem::not_yet("in a moment")), 2)).await;
    assert_fails(&ran, Step::Read, "time is up");
    assert_eq!(ran.took, Duration::from_mins(1));

    let gone = run_with(Step::Read, || json_of(404, &Problem::not_found("nothing"))).await;
    assert_fails(&gone, Step::Read, "the answer is 404 Not Found: urn:waybill:problem:not-found");
}

#[tokio::test(start_paused = true)]
async fn a_document_must_say_what_was_recorded() {
    let stale = run_with(Step::Read, || json_of(200, &document(6, "another"))).await;
    assert_fails(&stale, Step::Read, "the read model does not say what was recorded");
    let wrong = run_with(Step::Read, || json_of(200, &document(7, "another"))).await;
    assert_fails(&wrong, Step::Read, "the read model does not say what was recorded");
    let empty = run_with(Step::Read, || json_of(200, &json!({}))).await;
    assert_fails(&empty, Step::Read, "the answer does not hold the day's document");

    let newer = run_with(Step::Read, || json_of(200, &document(8, "another"))).await;
    newer.result.expect("a run that came after this one is the latest, and that is well");
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_never_comes_is_not_waited_for_without_end() {
    for step in [Step::Token, Step::Submit, Step::Outcome, Step::Read] {
        let api = Api::but_for(move |asking, _| if asking == step { Instead::Silence } else { Instead::Good });
        assert_fails(&api.run().await, step, "there is no answer: no answer within 10 seconds");
    }
}

#[tokio::test(start_paused = true)]
async fn no_link_takes_the_token_to_another_host() {
    for elsewhere in ["https://evil.example/operations/AQGb1", "https://api.example.evil.example/", "/operations/AQGb1"]
    {
        let taken = move || {
            let mut taken = json_of(202, &json!({}));
            taken.headers_mut().insert("location", elsewhere.parse().expect("a header"));
            taken
        };
        let instead = move |asking, _| if asking == Step::Submit { Instead::Other(taken()) } else { Instead::Good };
        let api = Api::but_for(instead);
        let failure = api.run().await.result.expect_err(elsewhere);
        assert_eq!(
            (failure.step, failure.reason.to_string().as_str()),
            (Step::Outcome, "the answer leads away from the API")
        );
        let hosts: Vec<_> = api.web.requests().iter().map(|request| request.uri().host().map(str::to_owned)).collect();
        assert_eq!(hosts, [Some("id.example".to_owned()), API.strip_prefix("https://").map(str::to_owned)]);
    }
}
