//! What an endpoint's answer means (Standard Webhooks 1.0.0, "Webhook response").

use std::time::{Duration, SystemTime};

use http::header::RETRY_AFTER;
use http::{HeaderMap, Response, StatusCode};
use kernel::timestamp::Timestamp;
use lambda::web::NoAnswer;

/// Why an event was not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refused {
    pub why: Why,
    /// In a few words, for who runs the endpoint. They say nothing of what is behind its address.
    pub answer: String,
}

/// What follows from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Why {
    /// 410: the endpoint wants nothing any more.
    Gone,
    /// The endpoint has too much to do: it wants nothing before then, or for a while.
    Busy(Option<Timestamp>),
    /// Whatever else.
    Failed,
    /// Nothing was sent, and that says nothing of the endpoint.
    NotSent,
}

/// The longest that an endpoint may have us wait.
const LONGEST: Duration = Duration::from_hours(24);

/// Any 2xx says that the event was taken. Redirects are not followed: 3xx is a failure like others.
pub(crate) fn read(answer: Result<Response<String>, NoAnswer>, now: Timestamp) -> Result<(), Refused> {
    let answer = match answer {
        Ok(answer) => answer,
        Err(none) => return Err(Refused { why: Why::Failed, answer: no_answer(&none) }),
    };
    let status = answer.status();
    if status.is_success() {
        return Ok(());
    }
    let wait = retry_after(answer.headers(), now);
    let why = match status {
        StatusCode::GONE => Why::Gone,
        StatusCode::TOO_MANY_REQUESTS => Why::Busy(wait),
        StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT if wait.is_some() => {
            Why::Busy(wait)
        }
        _ => Why::Failed,
    };
    Err(Refused { why, answer: status.to_string() })
}

fn no_answer(none: &NoAnswer) -> String {
    match none {
        // Its causes may name addresses inside of networks.
        NoAnswer::Connection(_) => "no connection, or it broke off".to_owned(),
        NoAnswer::NotSent(_) | NoAnswer::TooLate(_) => none.to_string(),
    }
}

/// Seconds, or a date (RFC 9110, section 10.2.3).
fn retry_after(headers: &HeaderMap, now: Timestamp) -> Option<Timestamp> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let wait = if let Ok(seconds) = text.parse() {
        Duration::from_secs(seconds)
    } else {
        let date = httpdate::parse_http_date(text).ok()?;
        let millis = date.duration_since(SystemTime::UNIX_EPOCH).ok()?.as_millis();
        Timestamp::from_millis(u64::try_from(millis).ok()?).since(now)
    };
    Some(now.plus(wait.min(LONGEST)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fri, 16 Jan 2026 11:00:00 GMT.
    const NOW: u64 = 1_768_561_200_000;

    fn of(status: u16, retry_after: Option<&str>) -> Result<(), Why> {
        let mut answer = Response::builder().status(status);
        if let Some(value) = retry_after {
            answer = answer.header(RETRY_AFTER, value);
        }
        let answer = answer.body(String::new()).expect("an answer");
        read(Ok(answer), Timestamp::from_millis(NOW)).map_err(|refused| refused.why)
    }

    #[test]
    fn any_2xx_is_taken_and_nothing_else() {
        for status in [200, 201, 202, 204, 299] {
            assert_eq!(of(status, None), Ok(()), "{status}");
        }
        for status in [301, 302, 304, 307, 308, 400, 401, 403, 404, 409, 413, 422, 500, 501, 502, 503, 504] {
            assert_eq!(of(status, None), Err(Why::Failed), "{status}");
        }
        assert_eq!(of(410, None), Err(Why::Gone));
        assert_eq!(of(429, None), Err(Why::Busy(None)));
    }

    #[test]
    fn an_endpoint_says_how_long_to_wait_in_seconds_or_by_a_date() {
        let after = |seconds: u64| Err(Why::Busy(Some(Timestamp::from_millis(NOW + seconds * 1000))));
        for status in [429, 502, 503, 504] {
            assert_eq!(of(status, Some("120")), after(120), "{status}");
        }
        assert_eq!(of(429, Some("Fri, 16 Jan 2026 11:02:00 GMT")), after(120));
        assert_eq!(of(429, Some("Fri, 16 Jan 2026 10:00:00 GMT")), after(0));
        assert_eq!(of(429, Some("99999999999")), after(24 * 60 * 60));
        for text in ["", "soon", "-1", "1.5"] {
            assert_eq!(of(429, Some(text)), Err(Why::Busy(None)), "{text}");
        }
        assert_eq!(of(500, Some("120")), Err(Why::Failed), "a fault is no want of time");
    }

    #[test]
    fn what_is_told_of_a_connection_names_no_address() {
        let refused = read(Err(NoAnswer::Connection("connect to 10.0.0.7:443".into())), Timestamp::from_millis(NOW));
        let told = refused.expect_err("no answer").answer;
        assert_eq!(told, "no connection, or it broke off");
    }
}
