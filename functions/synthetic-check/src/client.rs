//! The API, as the check asks it.

use std::time::Duration;

use kernel::operation::Operation;
use lambda::web::WebClient;
use lambda_http::http::header::{AUTHORIZATION, CONTENT_TYPE, LOCATION, RETRY_AFTER};
use lambda_http::http::{Request, Response, StatusCode};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::Reason;

/// Between two questions, where the API does not say.
const PAUSE: Duration = Duration::from_secs(1);

/// Asks with a token.
pub(crate) struct Client<'a> {
    pub web: &'a WebClient,
    pub api_url: &'a str,
    pub token: String,
}

/// A command that was taken.
pub(crate) struct Accepted {
    /// Its operation's URL.
    pub location: String,
    /// How long to wait before asking for it.
    pub pause: Duration,
}

impl Client<'_> {
    pub async fn post_command(&self, event: &Value) -> Result<Accepted, Reason> {
        let request = Request::post(format!("{}/commands", self.api_url));
        let request = request.header(CONTENT_TYPE, "application/cloudevents+json");
        let request = request.header(AUTHORIZATION, self.bearer()).body(event.to_string());
        let answer = self.web.send(request.map_err(|_| Reason::LeadsAway)?).await?;
        if answer.status() != StatusCode::ACCEPTED {
            return Err(Reason::refused(&answer));
        }
        let location = answer.headers().get(LOCATION).and_then(|location| location.to_str().ok());
        let location = location.ok_or(Reason::Unreadable("a Location"))?.to_owned();
        Ok(Accepted { location, pause: retry_after(&answer).unwrap_or(PAUSE) })
    }

    /// The operation, and how long to wait before asking again.
    pub async fn operation(&self, location: &str) -> Result<(Operation, Duration), Reason> {
        let answer = self.get(location).await?;
        if answer.status() != StatusCode::OK {
            return Err(Reason::refused(&answer));
        }
        Ok((parsed(&answer, "an operation")?, retry_after(&answer).unwrap_or(PAUSE)))
    }

    /// Follows a link that the API gave, and no other: whoever is asked sees the token.
    pub async fn get(&self, link: &str) -> Result<Response<String>, Reason> {
        let path = link.strip_prefix(self.api_url).filter(|path| path.starts_with('/'));
        let request = Request::get(format!("{}{}", self.api_url, path.ok_or(Reason::LeadsAway)?));
        let request = request.header(AUTHORIZATION, self.bearer()).body(String::new());
        Ok(self.web.send(request.map_err(|_| Reason::LeadsAway)?).await?)
    }

    fn bearer(&self) -> String {
        format!("Bearer {}", self.token)
    }
}

/// How long the answer asks to wait, if it does.
pub(crate) fn retry_after(answer: &Response<String>) -> Option<Duration> {
    let seconds = answer.headers().get(RETRY_AFTER)?.to_str().ok()?;
    seconds.parse().ok().map(Duration::from_secs)
}

/// The answer's body, which should be `what`.
pub(crate) fn parsed<T: DeserializeOwned>(answer: &Response<String>, what: &'static str) -> Result<T, Reason> {
    serde_json::from_str(answer.body()).map_err(|_| Reason::Unreadable(what))
}

/// The id that a URL ends with.
pub(crate) fn last_segment(url: &str) -> &str {
    url.rsplit('/').next().unwrap_or(url)
}
