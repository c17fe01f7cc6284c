//! The payment gateway: what payments ask for is asked of the provider, and what came out is handed in to the payment.
//!
//! A charge and a refund are made under an idempotency key, which is the id of the event that asks for it: the provider
//! does what has the same key once. Before each the provider is asked what has become of that key. So whatever is unknown,
//! after a time-out or an answer that was lost, is found out when the event comes again, and not repeated.
//!
//! What the provider does not say clearly is no outcome: the event comes again, until it does.

mod messages;
mod provider;

use kernel::domain_event::RecordedEvent;
use kernel::ids::CommandKey;
use kernel::message::{DecodeError, Message as _};
use lambda::SecretsManagerClient;
use lambda::settings::{BadSetting, Environment};
use lambda::telemetry::metric;
use lambda::web::WebClient;
use messaging::SqsClient;
use subscriber::{HandInError, Outcomes, Subscriber};

use crate::messages::{Asked, Outcome, RecordCharge, RecordDecline, RecordRefund, RecordVoid};
use crate::provider::{Charged, Voided};
pub use crate::provider::{Credentials, NoOutcome, Provider};

/// The principal of what is handed in.
const NAME: &str = "payment-gateway";

/// Asks the provider.
pub struct PaymentGateway {
    provider: Provider,
    outcomes: Outcomes,
}

/// Why an event comes again.
#[derive(Debug, thiserror::Error)]
pub enum GatewayError {
    #[error("the event cannot be read")]
    Unreadable(#[from] DecodeError),
    #[error("the provider has given no outcome")]
    NoOutcome(#[from] NoOutcome),
    #[error(transparent)]
    HandIn(#[from] HandInError),
}

impl PaymentGateway {
    /// `PAYMENT_PROVIDER` is the ARN of the secret with the provider's [`Credentials`].
    pub fn from_environment(
        environment: &Environment,
        secrets_manager: SecretsManagerClient,
        sqs: SqsClient,
        web: WebClient,
    ) -> Result<Self, BadSetting> {
        Ok(Self {
            provider: Provider::new(environment.text("PAYMENT_PROVIDER")?, secrets_manager, web),
            outcomes: Outcomes::from_environment(environment, sqs)?,
        })
    }

    async fn outcome(&self, asked: &Asked, event: &RecordedEvent) -> Result<Outcome, NoOutcome> {
        let access = self.provider.access().await?;
        let key = idempotency_key(event, event.version);
        Ok(match asked {
            Asked::ChargeRequested(charge) => match access.charge(&key, charge).await? {
                Charged::Yes(charge) => RecordCharge { charge }.into(),
                Charged::No(reason) => RecordDecline { reason }.into(),
            },
            Asked::VoidRequested(void) => match access.void(&idempotency_key(event, void.charge_requested)).await? {
                Voided::Yes => RecordVoid {}.into(),
                Voided::Charged(charge) => RecordCharge { charge }.into(),
            },
            Asked::RefundRequested(refund) => RecordRefund { refund: access.refund(&key, refund).await? }.into(),
        })
    }
}

impl Subscriber for PaymentGateway {
    type Error = GatewayError;

    async fn handle(&self, event: &RecordedEvent) -> Result<(), GatewayError> {
        let Some(asked) = event.one_of("payments")? else { return Ok(()) };
        let outcome = self.outcome(&asked, event).await?;
        let name = outcome.message_type().name;
        self.outcomes.hand_in(event, NAME, outcome).await?;
        metrics::counter!(metric::PAYMENT_OUTCOMES, "Outcome" => name).increment(1);
        tracing::info!(outcome = name, "handed in");
        Ok(())
    }
}

/// What the provider knows the request of that version of the event's stream by: a hash of the event's id, so that it learns
/// no id of ours.
fn idempotency_key(event: &RecordedEvent, version: u64) -> String {
    let asking = RecordedEvent { version, ..event.clone() };
    CommandKey::of(&event.stream.tenant, &event.stream.context, &asking.id()).to_string()
}
