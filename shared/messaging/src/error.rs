//! Why something was not sent.

use std::error::Error;

use aws_sdk_sqs::error::SdkError;

/// Not all of it is known to be sent. Sending everything again is safe: receivers know a repeat by its key.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    #[error("no answer to {operation}")]
    Unavailable { operation: &'static str, source: Box<dyn Error + Send + Sync> },
    /// Some entries of a batch were refused, also when tried again.
    #[error("{operation} refused {count} entries, the first with {code}")]
    Refused { operation: &'static str, count: usize, code: String },
}

impl SendError {
    /// There was no answer to this call, or none that says what was done.
    pub fn unavailable<E, R>(operation: &'static str) -> impl FnOnce(SdkError<E, R>) -> Self
    where
        E: Error + Send + Sync + 'static,
        R: std::fmt::Debug + Send + Sync + 'static,
    {
        move |error| Self::Unavailable { operation, source: Box::new(error) }
    }
}
