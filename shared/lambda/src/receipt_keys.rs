//! The keys behind receipts: read from Secrets Manager, kept, and read again when they are old or when a receipt says
//! that they have changed.
//!
//! Changing the secret's value is all that rotation takes. A key that is new seals nothing for a while
//! ([`NOTICE`]), and a receipt that no known key opens makes its reader look at the secret again, at most once in
//! [`LOOK_AGAIN_AFTER`]. The first time is longer than the second, so a reader either knows the key of a genuine receipt
//! or may look again, and forged receipts cause few calls.

use std::sync::Arc;
use std::time::Duration;

use aws_sdk_secretsmanager::Client;
use aws_sdk_secretsmanager::error::BoxError;
use kernel::ids::TenantId;
use kernel::receipt::{InvalidKeys, NOTICE, Receipt, ReceiptKeys};
use kernel::ticket::Ticket;
use kernel::timestamp::Timestamp;
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::cache::{Cache, LoadError};
use crate::settings::{BadSetting, Environment};

/// How old keys may be before they are read again in the background.
pub const FRESH_FOR: Duration = Duration::from_mins(5);

/// The least time between two reads that receipts of unknown keys cause in one environment.
pub const LOOK_AGAIN_AFTER: Duration = Duration::from_secs(10);

// Otherwise a genuine receipt of a new key could meet a reader that may not look again yet.
const _: () = assert!(LOOK_AGAIN_AFTER.as_secs() * 2 < NOTICE.as_secs());

/// Why there are no keys to work with.
#[derive(Debug, thiserror::Error)]
pub enum NoKeys {
    #[error("the receipt keys cannot be read")]
    Unavailable(#[source] BoxError),
    #[error("the secret with the receipt keys {0}")]
    Invalid(InvalidKeys),
    #[error("the receipt keys could not be read a moment ago")]
    AskedAMomentAgo,
}

impl LoadError for NoKeys {
    fn is_outage(&self) -> bool {
        !matches!(self, Self::Invalid(_))
    }
}

/// The secret in Secrets Manager that holds the receipt keys, as [`ReceiptKeys::parse`] reads them.
pub struct ReceiptSecret {
    arn: String,
    keys: Cache<ReceiptKeys, NoKeys>,
    /// The last time that an unknown key made somebody read them.
    last_look: Mutex<Option<Look>>,
}

#[derive(Clone, Copy)]
struct Look {
    at: Instant,
    succeeded: bool,
}

impl ReceiptSecret {
    /// `RECEIPT_KEY_SECRET` is the secret's ARN.
    pub fn from_environment(environment: &Environment, client: Client) -> Result<Self, BadSetting> {
        let keys = Cache::new("receipt keys", FRESH_FOR, move |arn: String| {
            let client = client.clone();
            async move { read(&client, arn).await.map(Some) }
        });
        Ok(Self { arn: environment.text("RECEIPT_KEY_SECRET")?, keys, last_look: Mutex::default() })
    }

    /// Reads the keys before anybody needs them, so that the first request does not wait. If that fails, the first
    /// request tries again.
    pub async fn read_ahead(&self) {
        // A failure is logged.
        let _ = self.keys().await;
    }

    /// The keys, at once if they were ever read. A secret that holds no keys gives none, also where it held some before:
    /// keys are taken out because somebody has seen them.
    pub async fn keys(&self) -> Result<Arc<ReceiptKeys>, NoKeys> {
        let keys = self.keys.get(&self.arn).await?;
        Ok(keys.expect("reading gives keys or an error"))
    }

    /// The receipt, if it is genuine and this tenant's, whichever key in the secret has sealed it.
    pub async fn open(&self, tenant: &TenantId, text: &str) -> Result<Option<Receipt>, NoKeys> {
        let known = self.keys().await?;
        if let Some(receipt) = known.open(tenant, text) {
            return Ok(Some(receipt));
        }
        if Receipt::read(text).is_none() {
            return Ok(None); // no key makes a receipt of it
        }
        Ok(self.newest().await?.open(tenant, text))
    }

    /// The ticket, if it is genuine and still good, whichever key in the secret has sealed it.
    pub async fn open_ticket(&self, text: &str, now: Timestamp) -> Result<Option<Ticket>, NoKeys> {
        match self.keys().await?.open_ticket(text, now) {
            Some(ticket) => Ok(Some(ticket)),
            // No key makes a ticket of it.
            None if !Ticket::may_be_good(text, now) => Ok(None),
            None => Ok(self.newest().await?.open_ticket(text, now)),
        }
    }

    /// The keys as they are in the secret, or were moments ago. Requests that come together share one read.
    async fn newest(&self) -> Result<Arc<ReceiptKeys>, NoKeys> {
        let mut last_look = self.last_look.lock().await;
        if let Some(Look { at, succeeded }) = *last_look
            && at.elapsed() < LOOK_AGAIN_AFTER
        {
            return if succeeded { self.keys().await } else { Err(NoKeys::AskedAMomentAgo) };
        }
        let at = Instant::now();
        *last_look = Some(Look { at, succeeded: false });
        let keys = self.keys.reload(&self.arn).await?;
        *last_look = Some(Look { at, succeeded: true });
        Ok(keys.expect("reading gives keys or an error"))
    }
}

async fn read(client: &Client, arn: String) -> Result<ReceiptKeys, NoKeys> {
    let secret = client.get_secret_value().secret_id(arn).send().await;
    let secret = secret.map_err(|error| NoKeys::Unavailable(error.into()))?;
    let keys = ReceiptKeys::parse(secret.secret_string().unwrap_or_default()).map_err(NoKeys::Invalid)?;
    let stored_at = secret.created_date().and_then(|date| u64::try_from(date.to_millis().ok()?).ok());
    Ok(match stored_at {
        Some(millis) => keys.stored_at(Timestamp::from_millis(millis)),
        None => keys,
    })
}
