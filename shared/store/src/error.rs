//! What can go wrong with a store.

use std::error::Error;

use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};

/// Callers decide between "try again" and "this will not get better".
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// `DynamoDB` did not do it, or did not say that it did. Trying again may help.
    #[error("DynamoDB did not answer {operation}")]
    Unavailable { operation: &'static str, source: Box<dyn Error + Send + Sync> },
    /// What is stored is not what this build writes. Trying again does not help.
    #[error("a stored {what} cannot be read")]
    Corrupt { what: &'static str, source: Box<dyn Error + Send + Sync> },
}

impl StoreError {
    /// To be given to `map_err` with the operation's name.
    pub(crate) fn unavailable<E, R>(operation: &'static str) -> impl FnOnce(SdkError<E, R>) -> Self
    where
        E: Error + Send + Sync + 'static,
        R: std::fmt::Debug + Send + Sync + 'static,
    {
        move |error| Self::Unavailable { operation, source: Box::new(error) }
    }

    /// Whether a conditional write was made: not if its condition did not hold.
    pub(crate) fn unless_refused<T, E, R>(
        operation: &'static str,
        sent: Result<T, SdkError<E, R>>,
    ) -> Result<bool, Self>
    where
        E: ProvideErrorMetadata + Error + Send + Sync + 'static,
        R: std::fmt::Debug + Send + Sync + 'static,
    {
        match sent {
            Ok(_) => Ok(true),
            Err(error) if error.code() == Some("ConditionalCheckFailedException") => Ok(false),
            Err(error) => Err(Self::unavailable(operation)(error)),
        }
    }

    /// Others were faster, each time.
    pub(crate) fn contended(operation: &'static str) -> Self {
        Self::Unavailable { operation, source: "others were faster".into() }
    }

    /// To be given to `map_err` with what was being read.
    pub(crate) fn corrupt<E: Into<Box<dyn Error + Send + Sync>>>(what: &'static str) -> impl FnOnce(E) -> Self {
        move |error| Self::Corrupt { what, source: error.into() }
    }
}
