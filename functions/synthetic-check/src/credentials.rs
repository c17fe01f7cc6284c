//! The check's own token, by OAuth 2.0's client credentials. The secret is read for each run, so that a new one takes
//! effect with the next.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use lambda::SecretsManagerClient;
use lambda::web::WebClient;
use lambda_http::http::header::{AUTHORIZATION, CONTENT_TYPE};
use lambda_http::http::{Request, Response, StatusCode};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;

use crate::Reason;
use crate::client::parsed;

/// The secret in Secrets Manager that says who the check is.
pub struct CredentialsSecret {
    pub arn: String,
    pub secrets_manager: SecretsManagerClient,
}

/// The secret's value. It has no `Debug`, for it must not be in a log.
#[derive(Deserialize)]
struct Credentials {
    client_id: String,
    client_secret: String,
    token_url: String,
}

#[derive(Deserialize)]
struct Granted {
    access_token: String,
}

/// What the token endpoint says of a request that it refuses.
#[derive(Deserialize)]
struct OAuthError {
    error: String,
}

/// The codes of RFC 6749, section 5.2.
const OAUTH_ERRORS: [&str; 6] = [
    "invalid_request",
    "invalid_client",
    "invalid_grant",
    "unauthorized_client",
    "unsupported_grant_type",
    "invalid_scope",
];

/// `client_credentials`, with the scopes `waybill/submit` and `waybill/read`.
const FORM: &str = "grant_type=client_credentials&scope=waybill%2Fsubmit+waybill%2Fread";

impl CredentialsSecret {
    pub(crate) async fn token(&self, web: &WebClient) -> Result<String, Reason> {
        let Credentials { client_id, client_secret, token_url } = self.read().await?;
        let encoded = |text| utf8_percent_encode(text, NON_ALPHANUMERIC);
        let basic = STANDARD.encode(format!("{}:{}", encoded(&client_id), encoded(&client_secret)));
        let request = Request::post(token_url)
            .header(AUTHORIZATION, format!("Basic {basic}"))
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(FORM.to_owned())
            .map_err(|_| Reason::BadSecret)?;
        let answer = web.send(request).await?;
        if answer.status() != StatusCode::OK {
            return Err(Reason::Refused { status: answer.status(), code: oauth_error(&answer) });
        }
        let granted: Granted = parsed(&answer, "an access token")?;
        Ok(granted.access_token)
    }

    async fn read(&self) -> Result<Credentials, Reason> {
        let secret = self.secrets_manager.get_secret_value().secret_id(&self.arn).send().await;
        let secret = secret.map_err(|error| Reason::NoSecret(error.into()))?;
        serde_json::from_str(secret.secret_string().unwrap_or_default()).map_err(|_| Reason::BadSecret)
    }
}

/// Its code. Other texts stay out of the log, whatever the endpoint writes.
fn oauth_error(answer: &Response<String>) -> Option<String> {
    let OAuthError { error } = serde_json::from_str(answer.body()).ok()?;
    OAUTH_ERRORS.contains(&error.as_str()).then_some(error)
}
