//! The outermost loop of a function.

use std::future::Future;
use std::time::{Duration, SystemTime};

use lambda_http::{Body, Request, Response};
use lambda_runtime::{Error, LambdaEvent, service_fn};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::time::Instant;

use crate::telemetry::flush_metrics;

/// Serves HTTP requests until the environment is shut down.
pub async fn http<F, A>(answer: F) -> Result<(), Error>
where
    F: Fn(Request) -> A,
    A: Future<Output = Response<Body>> + Send,
{
    let service = service_fn(|request: Request| {
        let answer = Box::pin(answer(request));
        async move {
            let response = answer.await;
            flush_metrics();
            Ok::<_, Error>(response)
        }
    });
    lambda_http::run(service).await
}

/// Handles events of a queue or a stream until the environment is shut down. An error fails the whole batch.
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
                tracing::error!(error = crate::telemetry::chain(error.as_ref()), "the batch failed");
            }
            flush_metrics();
            result
        }
    });
    lambda_runtime::run(service).await
}

/// What an invocation keeps back to give its answer before Lambda ends it.
const RESERVE: Duration = Duration::from_secs(2);

/// What is taken for the time there is where nobody says: `cargo lambda watch` names a deadline long past.
const UNSAID: Duration = Duration::from_secs(10);

/// When work must be over: the deadline less a reserve (at most half of the time there is).
fn finish_by(deadline: SystemTime) -> Instant {
    let left = deadline.duration_since(SystemTime::now()).unwrap_or(UNSAID);
    Instant::now() + left.saturating_sub(RESERVE.min(left / 2))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_ends_before_the_deadline_and_has_time_where_none_is_named() {
        let left = |deadline| finish_by(deadline).saturating_duration_since(Instant::now());
        let at_most = |seconds| SystemTime::now() + Duration::from_secs(seconds);
        assert!(left(at_most(30)) > Duration::from_secs(20) && left(at_most(30)) <= Duration::from_secs(28));
        assert!(left(at_most(1)) <= Duration::from_millis(500), "half is kept back where there is little");
        assert!(left(SystemTime::UNIX_EPOCH) > Duration::from_secs(5), "a deadline long past is none");
    }
}
