//! The payment provider, as it is asked: charges, voids and refunds, each by an idempotency key.
//!
//! | request | answers |
//! | --- | --- |
//! | `GET /charges/{key}`, `GET /refunds/{key}` | 200: what was made under that key · 404: nothing was |
//! | `POST /charges` | 200 or 201: charged · 400, 402, 422: declined, for good |
//! | `POST /charges/{key}/void` | 200: nothing was charged under that key, nor will be; or what was |
//! | `POST /refunds` | 200 or 201: given back |
//!
//! Any other answer, and none, says nothing of what has happened.

use std::sync::Arc;
use std::time::Duration;

use lambda::SecretsManagerClient;
use lambda::cache::{Cache, LoadError};
use lambda::web::{NoAnswer, WebClient};
use lambda_http::http::header::{AUTHORIZATION, CONTENT_TYPE};
use lambda_http::http::{self, Request, Response, StatusCode};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::messages::{ChargeRequested, RefundRequested};

/// How old credentials may be before they are read again in the background.
const FRESH_FOR: Duration = Duration::from_mins(5);

/// The secret's value. It has no `Debug`, for it must not be in a log.
#[derive(Deserialize)]
pub struct Credentials {
    /// The provider's address, without a slash at its end.
    pub url: String,
    pub api_key: String,
}

/// Why nothing is known.
#[derive(Debug, thiserror::Error)]
pub enum NoOutcome {
    #[error("the secret with the provider's credentials cannot be read")]
    NoSecret(#[source] Box<dyn std::error::Error + Send + Sync>),
    #[error("the secret with the provider's credentials is not JSON with url and api_key")]
    BadSecret,
    #[error("the provider's url makes no request")]
    BadUrl(#[from] http::Error),
    #[error(transparent)]
    NoAnswer(#[from] NoAnswer),
    #[error("the provider answered {0}")]
    Answered(StatusCode),
    #[error("the provider's answer cannot be read")]
    Unreadable(#[source] serde_json::Error),
}

impl LoadError for NoOutcome {
    fn is_outage(&self) -> bool {
        matches!(self, Self::NoSecret(_))
    }
}

/// The provider, and the secret that lets us in.
pub struct Provider {
    secret: String,
    credentials: Cache<Credentials, NoOutcome>,
    web: WebClient,
}

/// With credentials.
pub(crate) struct Access<'a> {
    credentials: Arc<Credentials>,
    web: &'a WebClient,
}

/// What became of a charge.
pub(crate) enum Charged {
    /// The provider's id of it.
    Yes(String),
    /// The provider's code for why.
    No(String),
}

/// What became of a void.
pub(crate) enum Voided {
    Yes,
    /// It came too late: the id of the charge.
    Charged(String),
}

#[derive(Deserialize)]
struct Charge {
    id: String,
    status: ChargeStatus,
    /// Why it was declined.
    #[serde(default)]
    code: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum ChargeStatus {
    Charged,
    Declined,
    Voided,
}

#[derive(Deserialize)]
struct Refund {
    id: String,
}

impl Provider {
    pub fn new(secret: String, client: SecretsManagerClient, web: WebClient) -> Self {
        let credentials = Cache::new("payment provider", FRESH_FOR, move |secret: String| {
            let client = client.clone();
            async move { read(&client, secret).await.map(Some) }
        });
        Self { secret, credentials, web }
    }

    pub(crate) async fn access(&self) -> Result<Access<'_>, NoOutcome> {
        let credentials = self.credentials.get(&self.secret).await?.ok_or(NoOutcome::BadSecret)?;
        Ok(Access { credentials, web: &self.web })
    }
}

async fn read(client: &SecretsManagerClient, secret: String) -> Result<Credentials, NoOutcome> {
    let secret = client.get_secret_value().secret_id(secret).send().await;
    let secret = secret.map_err(|error| NoOutcome::NoSecret(error.into()))?;
    serde_json::from_str(secret.secret_string().unwrap_or_default()).map_err(|_| NoOutcome::BadSecret)
}

impl Access<'_> {
    /// Charges the customer, unless that was done already under this key.
    pub async fn charge(&self, key: &str, charge: &ChargeRequested) -> Result<Charged, NoOutcome> {
        let known = if let Some(known) = self.known(&format!("/charges/{key}")).await? {
            known
        } else {
            let (customer, amount) = (&charge.customer, &charge.amount);
            let body = json!({ "customer": customer, "amount": amount.amount, "currency": amount.currency });
            let answer = self.post("/charges", key, &body).await?;
            if is_declined(&answer) {
                return Ok(Charged::No(code(&answer)));
            }
            done(&answer)?
        };
        let Charge { id, status, code } = known;
        Ok(match status {
            ChargeStatus::Charged => Charged::Yes(id),
            ChargeStatus::Declined => Charged::No(code.unwrap_or_else(|| "declined".to_owned())),
            ChargeStatus::Voided => Charged::No("voided".to_owned()),
        })
    }

    /// Sees to it that nothing is charged under this key any more.
    pub async fn void(&self, key: &str) -> Result<Voided, NoOutcome> {
        let answer = self.post(&format!("/charges/{key}/void"), key, &json!({})).await?;
        let Charge { id, status, .. } = done(&answer)?;
        Ok(match status {
            ChargeStatus::Charged => Voided::Charged(id),
            ChargeStatus::Declined | ChargeStatus::Voided => Voided::Yes,
        })
    }

    /// Gives the money back, unless that was done already under this key. Gives the provider's id of the refund.
    pub async fn refund(&self, key: &str, refund: &RefundRequested) -> Result<String, NoOutcome> {
        if let Some(Refund { id }) = self.known(&format!("/refunds/{key}")).await? {
            return Ok(id);
        }
        let amount = &refund.amount;
        let body = json!({ "charge": refund.charge, "amount": amount.amount, "currency": amount.currency });
        let answer = self.post("/refunds", key, &body).await?;
        // One that is refused is for people to look at: the money is still to go back.
        let Refund { id } = done(&answer)?;
        Ok(id)
    }

    /// What was made under a key, if anything was.
    async fn known<T: DeserializeOwned>(&self, path: &str) -> Result<Option<T>, NoOutcome> {
        let request = Request::get(self.url(path)).header(AUTHORIZATION, self.bearer()).body(String::new())?;
        let answer = self.web.send(request).await?;
        match answer.status() {
            StatusCode::OK => parsed(&answer).map(Some),
            StatusCode::NOT_FOUND => Ok(None),
            other => Err(NoOutcome::Answered(other)),
        }
    }

    async fn post(&self, path: &str, key: &str, body: &Value) -> Result<Response<String>, NoOutcome> {
        let request = Request::post(self.url(path))
            .header(AUTHORIZATION, self.bearer())
            .header(CONTENT_TYPE, "application/json")
            .header("idempotency-key", key)
            .body(body.to_string())?;
        Ok(self.web.send(request).await?)
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.credentials.url)
    }

    fn bearer(&self) -> String {
        format!("Bearer {}", self.credentials.api_key)
    }
}

/// What was made.
fn done<T: DeserializeOwned>(answer: &Response<String>) -> Result<T, NoOutcome> {
    match answer.status() {
        StatusCode::OK | StatusCode::CREATED => parsed(answer),
        other => Err(NoOutcome::Answered(other)),
    }
}

/// Others of 400 and above say that we may not ask, or not now.
fn is_declined(answer: &Response<String>) -> bool {
    matches!(answer.status(), StatusCode::BAD_REQUEST | StatusCode::PAYMENT_REQUIRED | StatusCode::UNPROCESSABLE_ENTITY)
}

/// The code of a refusal, if it looks like one: the provider's other texts may say whatever of the customer.
fn code(answer: &Response<String>) -> String {
    let body: Value = serde_json::from_str(answer.body()).unwrap_or_default();
    let is_code = |code: &&str| {
        (1..=50).contains(&code.len()) && code.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b))
    };
    body["code"].as_str().filter(is_code).unwrap_or("declined").to_owned()
}

fn parsed<T: DeserializeOwned>(answer: &Response<String>) -> Result<T, NoOutcome> {
    serde_json::from_str(answer.body()).map_err(NoOutcome::Unreadable)
}
