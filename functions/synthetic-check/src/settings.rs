//! The check's settings, from environment variables.

use lambda::SecretsManagerClient;
use lambda::settings::{BadSetting, Environment};
use lambda::web::WebClient;

use crate::{CredentialsSecret, SyntheticCheck};

impl SyntheticCheck {
    /// `PUBLIC_URL` is the API's address, `CHECK_SECRET` the ARN of the secret with the credentials.
    pub fn from_environment(
        environment: &Environment,
        secrets_manager: SecretsManagerClient,
        web: WebClient,
    ) -> Result<Self, BadSetting> {
        Ok(Self {
            api_url: environment.public_url()?,
            credentials: CredentialsSecret { arn: environment.text("CHECK_SECRET")?, secrets_manager },
            web,
        })
    }
}
