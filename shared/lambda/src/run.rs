//! The outermost loop of a function.

use std::future::Future;
use std::time::{Duration, SystemTime};

use lambda_http::{Body, Request, Response};
use lambda_runtime::{Error, LambdaEvent, service_fn};
use send_wrapper::SendWrapper;
use serde::de::{DeserializeOwned, Error as _, IgnoredAny};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;
use tokio::time::Instant;

use crate::gateway;
use crate::telemetry::flush_metrics;

/// Runs what `main` does on a task of its own: what wakes a task on its own thread takes no system call, while each waking of
/// `main` takes one. It pays where an invocation waits for many answers. For runtimes of one thread alone.
pub async fn on_a_task(main: impl Future<Output = Result<(), Error>> + 'static) -> Result<(), Error> {
    match tokio::spawn(SendWrapper::new(main)).await {
        Ok(ended) => ended,
        Err(error) => match error.try_into_panic() {
            // It ends the process as it would have in `main`. As an error, its message would be written.
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(cancelled) => Err(cancelled.into()),
        },
    }
}

/// Serves requests of the HTTP API until the environment is shut down.
pub async fn http<F, A>(answer: F) -> Result<(), Error>
where
    F: Fn(Request) -> A,
    A: Future<Output = Response<Body>> + Send,
{
    let answer = &answer;
    let service = service_fn(|event: LambdaEvent<Box<RawValue>>| {
        // Boxed: what a handler awaits nests deeper than the compiler follows through the runtime's own layers.
        Box::pin(async move {
            let answered = gateway::serve(event.payload.get(), answer).await;
            flush_metrics();
            Ok::<_, Error>(answered)
        })
    });
    lambda_runtime::run(service).await
}

/// Handles events of a queue, a stream or a schedule until the environment is shut down. An error is logged, with its
/// causes, and fails the whole invocation.
pub async fn events<E, R, F, A>(handle: F) -> Result<(), Error>
where
    E: DeserializeOwned,
    R: Serialize,
    F: Fn(E, Instant) -> A,
    A: Future<Output = Result<R, Error>> + Send,
{
    let service = service_fn(|event: LambdaEvent<E>| {
        // Boxed: what a handler awaits nests deeper than the compiler follows through the runtime's own layers.
        let handled = Box::pin(handle(event.payload, finish_by(event.context.deadline())));
        async move {
            let result = handled.await;
            if let Err(error) = &result {
                tracing::error!(error = crate::telemetry::chain(error.as_ref()), "the invocation failed");
            }
            flush_metrics();
            result
        }
    });
    lambda_runtime::run(service).await
}

/// Serves requests of the HTTP API, and handles the messages of a queue that feeds the function as well.
pub async fn http_and_queue<E, R, F, A, H, B>(answer: F, handle: H) -> Result<(), Error>
where
    E: DeserializeOwned,
    R: Serialize,
    F: Fn(Request) -> A + Sync,
    A: Future<Output = Response<Body>> + Send,
    H: Fn(E, Instant) -> B + Sync,
    B: Future<Output = R> + Send,
{
    let (answer, handle) = (&answer, &handle);
    events(|payload: Box<RawValue>, finish_by| async move {
        if is_of_a_queue(payload.get()) {
            let handled = handle(serde_json::from_str(payload.get())?, finish_by);
            Ok(serde_json::to_value(handled.await)?)
        } else {
            Ok(gateway::serve(payload.get(), answer).await)
        }
    })
    .await
}

/// Whether an event is Lambda's own of a queue: an object whose first and only member is `Records`. A request, whose event
/// may have megabytes, is told by its first bytes. The gateway's event has no such member, whatever its client sends.
fn is_of_a_queue(event: &str) -> bool {
    let members = event.trim_start().strip_prefix('{').unwrap_or_default();
    members.trim_start().starts_with("\"Records\"")
}

/// The payload of a function that has both a trigger of its own and a route of the API. [`events`] handles it.
#[derive(Debug)]
pub enum Wake<E> {
    Event(E),
    /// The HTTP API's event, for [`gateway::serve`].
    Http(Box<RawValue>),
}

impl<'de, E: DeserializeOwned> Deserialize<'de> for Wake<E> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        /// What only a request of an HTTP API has.
        #[derive(Deserialize)]
        struct Request {
            #[serde(rename = "requestContext")]
            _context: Context,
        }
        #[derive(Deserialize)]
        struct Context {
            #[serde(rename = "http")]
            _http: IgnoredAny,
        }

        let payload = Box::<RawValue>::deserialize(deserializer)?;
        if serde_json::from_str::<Request>(payload.get()).is_ok() {
            Ok(Self::Http(payload))
        } else {
            serde_json::from_str(payload.get()).map(Self::Event).map_err(D::Error::custom)
        }
    }
}

/// Time that an invocation keeps back to answer before Lambda ends it.
const RESERVE: Duration = Duration::from_secs(2);

/// The time there is if the deadline is long past: `cargo lambda watch` names such a deadline.
const UNSAID: Duration = Duration::from_secs(10);

/// When work must be over: the deadline less a reserve (at most half of the time there is).
fn finish_by(deadline: SystemTime) -> Instant {
    let left = deadline.duration_since(SystemTime::now()).unwrap_or(UNSAID);
    Instant::now() + left.saturating_sub(RESERVE.min(left / 2))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[derive(Debug, Deserialize, PartialEq)]
    struct Order {
        dry: bool,
    }

    #[test]
    fn a_request_of_the_api_is_told_from_an_event_of_ones_own() {
        let event = serde_json::from_str::<Wake<Order>>(r#"{"dry":true}"#).expect("an event");
        assert!(matches!(event, Wake::Event(Order { dry: true })));
        assert!(serde_json::from_str::<Wake<Order>>(r#"{"wet":true}"#).is_err());

        let request = json!({
            "version": "2.0", "routeKey": "POST /redrive", "rawPath": "/redrive", "rawQueryString": "",
            "headers": { "content-type": "application/json" }, "isBase64Encoded": false, "body": "{}",
            "requestContext": { "http": { "method": "POST", "path": "/redrive" }, "stage": "$default", "timeEpoch": 0 },
        });
        let incoming = serde_json::from_str::<Wake<Order>>(&request.to_string()).expect("a request");
        let Wake::Http(event) = incoming else { panic!("a request, not {incoming:?}") };
        assert_eq!(event.get(), request.to_string(), "as it came");
    }

    #[tokio::test]
    async fn what_runs_on_a_task_ends_as_it_would_in_main() {
        assert!(on_a_task(async { Ok(()) }).await.is_ok());
        let failed = on_a_task(async { Err("no table".into()) }).await.map_err(|error| error.to_string());
        assert_eq!(failed, Err("no table".to_owned()));
    }

    #[tokio::test]
    #[should_panic(expected = "Jane Doe")]
    async fn a_panic_on_a_task_stays_one_and_is_no_error_with_its_message() {
        let _never = on_a_task(async { panic!("Jane Doe") }).await;
    }

    #[test]
    fn a_queues_messages_are_told_by_how_their_event_begins() {
        let recorded = include_str!("../../../events/aws/command-handler.json");
        assert!([r#"{"Records":[]}"#, " {\n \"Records\": []}", recorded].into_iter().all(is_of_a_queue));
        let request = include_str!("../../../events/aws/ingest.json");
        let records =
            json!({ "version": "2.0", "body": "{\"Records\":[]}", "headers": { "Records": "x" } }).to_string();
        for other in [request, &records, "{}", "[\"Records\"]", "", "null", "\"Records\""] {
            assert!(!is_of_a_queue(other), "{other}");
        }
    }

    #[test]
    fn work_ends_before_the_deadline_and_has_time_where_none_is_named() {
        let left = |deadline| finish_by(deadline).saturating_duration_since(Instant::now());
        let at_most = |seconds| SystemTime::now() + Duration::from_secs(seconds);
        assert!(left(at_most(30)) > Duration::from_secs(20) && left(at_most(30)) <= Duration::from_secs(28));
        assert!(left(at_most(1)) <= Duration::from_millis(500), "half is kept back where there is little");
        assert!(left(SystemTime::UNIX_EPOCH) > Duration::from_secs(5), "a deadline long past is none");
    }
}
