//! Mails, by Amazon SES.

use std::error::Error;

use aws_sdk_sesv2::Client;
use aws_sdk_sesv2::error::{BuildError, SdkError};
use aws_sdk_sesv2::operation::send_email::SendEmailError;
use aws_sdk_sesv2::types::{Body, Content, Destination, EmailContent, Message};

/// A mail to one address.
#[derive(Clone, PartialEq, Eq)]
pub struct Mail {
    pub to: String,
    pub subject: String,
    /// Plain text.
    pub text: String,
}

/// Sends mails from one address.
#[derive(Debug, Clone)]
pub struct Mailer {
    client: Client,
    from: String,
}

/// Why a mail was not sent, or not surely. No text of SES's is in it, for it names addresses.
#[derive(Debug, thiserror::Error)]
pub enum MailError {
    /// Sending it again would end the same.
    #[error("SES does not take the address")]
    Undeliverable,
    /// SES answered with this code.
    #[error("SES refused the mail: {0}")]
    Refused(String),
    /// Nobody knows whether the mail was sent.
    #[error("no answer to SendEmail")]
    Unavailable(#[source] Box<dyn Error + Send + Sync>),
    #[error("SES would not take the mail")]
    Invalid(#[from] BuildError),
}

impl Mailer {
    /// `from` is the address that recipients see. SES must know it, or its domain, as an identity.
    pub fn new(client: Client, from: impl Into<String>) -> Self {
        Self { client, from: from.into() }
    }

    /// Hands the mail over to SES. SES knows no repeat: after an error that does not say what happened, sending it again may
    /// be sending it twice.
    pub async fn send(&self, mail: Mail) -> Result<(), MailError> {
        let text = |data: String| Content::builder().data(data).charset("UTF-8").build();
        let body = Body::builder().text(text(mail.text)?).build();
        let message = Message::builder().subject(text(mail.subject)?).body(body).build();
        self.client
            .send_email()
            .from_email_address(&self.from)
            .destination(Destination::builder().to_addresses(mail.to).build())
            .content(EmailContent::builder().simple(message).build())
            .send()
            .await
            .map_err(refused)?;
        Ok(())
    }
}

fn refused(error: SdkError<SendEmailError>) -> MailError {
    match error.as_service_error() {
        // The rest of the request is the same for everybody.
        Some(SendEmailError::BadRequestException(_)) => MailError::Undeliverable,
        Some(error) => MailError::Refused(error.meta().code().unwrap_or("unknown").to_owned()),
        None => MailError::Unavailable(Box::new(error)),
    }
}
