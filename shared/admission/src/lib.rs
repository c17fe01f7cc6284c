//! Admission: whether a command may be queued, and its queueing. Whatever way it has come in by, it is the same.
//!
//! What is decided about a command is in [`admit`], without any I/O. [`Intake`] does the rest: the tenant's settings and limits,
//! the keys of receipts, and the queues. It makes one AWS call for a command, and keeps no state of its own but what [`limits`]
//! counts in memory.

#![expect(clippy::result_large_err, reason = "a problem is made once a request and becomes the answer")]

pub mod admit;
pub mod grants;
pub mod limits;
pub mod partners;
mod routes;
pub mod sources;
pub mod tenants;
mod watch;

use std::sync::Arc;

use kernel::cloud_event::CloudEvent;
use kernel::ids::TenantId;
use kernel::operation::Operation;
use kernel::problem::Problem;
use kernel::timestamp::Timestamp;
use lambda::SecretsManagerClient;
use lambda::caller::Caller;
use lambda::receipt_keys::ReceiptSecret;
use lambda::refusal::{Refusal, registry_problem};
use lambda::settings::{BadSetting, Environment};
use lambda::telemetry::metric;
use lambda::trace::Trace;
use messaging::{CommandQueue, Queues, SqsClient};
use schemas::{Budget, Bundled};
use store::registry::Registry;
use tracing::Span;

use crate::admit::{Admission, Admitted, Sender};
use crate::limits::{Limits, Rates, Throttled};
use crate::tenants::{Tenant, Tenants};
use crate::watch::Watch;

/// Events in one batch. A sender with more sends more batches.
pub const MAX_BATCH: usize = 100;

/// Takes commands in, from callers who are known.
pub struct Intake {
    pub tenants: Tenants,
    pub limits: Limits,
    pub receipts: ReceiptSecret,
    pub admission: Admission,
    pub queue: CommandQueue,
    watch: Watch,
}

impl Intake {
    /// The table of tenants, the prefix of the queues, `RECEIPT_KEY_SECRET`, `PUBLIC_URL`, and what [`Rates`] reads.
    pub fn from_environment(
        environment: &Environment,
        registry: Registry,
        sqs: SqsClient,
        secrets_manager: SecretsManagerClient,
    ) -> Result<Self, BadSetting> {
        let queues = Queues::new(environment.text(Queues::VARIABLE)?);
        let public_url = environment.public_url()?;
        Ok(Self {
            tenants: Tenants::new(registry),
            limits: Limits::new(Rates::from_environment(environment)?),
            receipts: ReceiptSecret::from_environment(environment, secrets_manager)?,
            watch: Watch::new(sqs.clone(), queues.clone()),
            admission: Admission { bundled: Bundled::compile(&public_url), queues, public_url },
            queue: CommandQueue::new(sqs),
        })
    }

    /// Queues one command, a `CloudEvent` in structured mode, as `POST /commands` does.
    #[tracing::instrument(name = "submit", skip_all, fields(tenant))]
    pub async fn submit(&self, caller: &Caller, event: &str, now: Timestamp) -> Result<Operation, Refusal> {
        let tenant = self.tenant_of(caller).await?;
        self.look(&caller.tenant, &tenant, 1, now)?;
        let sender = Sender { caller, tenant: &tenant, trace: &Trace::begin() };
        let taken = match CloudEvent::from_json(event.as_bytes()) {
            Ok(event) => self.take_one(event, sender, now).await,
            Err(invalid) => Err(Problem::from(invalid).into()),
        };
        self.charge(&taken, sender, 1, now);
        taken
    }

    /// Queues one command.
    pub async fn take_one(&self, event: CloudEvent, sender: Sender<'_>, now: Timestamp) -> Result<Operation, Refusal> {
        let keys = self.receipts.keys().await?;
        let admitted = self.admission.admit(event, &keys, sender, now, &mut Budget::for_request())?;
        self.take(&sender.caller.tenant, sender.tenant, group_of(std::slice::from_ref(&admitted)), now)?;
        let span = admitted.span(sender.caller);
        let watched = Watch::chosen(&sender.caller.tenant, sender.tenant, std::slice::from_ref(&admitted), now);
        let sent = self.queue.send(admitted.outgoing).await;
        let sent = if sent.is_ok() { self.watch.over(watched).await } else { sent };
        span.in_scope(|| queued(sent).map(|()| accepted(admitted.context)))?;
        Ok(admitted.operation)
    }

    /// Queues commands that are admitted, all or none. Gives the operations to follow.
    pub async fn take_all(
        &self,
        all: Vec<Admitted>,
        sender: Sender<'_>,
        now: Timestamp,
    ) -> Result<Vec<Operation>, Refusal> {
        let Sender { caller, tenant, .. } = sender;
        self.take(&caller.tenant, tenant, group_of(&all), now)?;
        let spans: Vec<(Span, _)> = all.iter().map(|admitted| (admitted.span(caller), admitted.context)).collect();
        let watched = Watch::chosen(&caller.tenant, tenant, &all, now);
        let (outgoing, operations): (Vec<_>, Vec<_>) =
            all.into_iter().map(|admitted| (admitted.outgoing, admitted.operation)).unzip();
        queued(self.queue.send_all(outgoing).await)?;
        queued(self.watch.over(watched).await)?;
        for (span, context) in spans {
            span.in_scope(|| accepted(context));
        }
        Ok(operations)
    }

    /// The caller's tenant, with its settings.
    pub async fn tenant_of(&self, caller: &Caller) -> Result<Arc<Tenant>, Refusal> {
        Span::current().record("tenant", caller.tenant.as_str());
        let tenant = self.tenant(&caller.tenant).await?;
        Ok(tenant.ok_or_else(|| Problem::not_permitted("the tenant has no settings; ask the operator"))?)
    }

    /// The tenant, if it is registered.
    pub async fn tenant(&self, id: &TenantId) -> Result<Option<Arc<Tenant>>, Problem> {
        self.tenants.get(id).await.map_err(|error| registry_problem(&error, "the tenant's settings"))
    }

    /// Refuses so many commands before anything is done for them.
    pub fn look(&self, id: &TenantId, tenant: &Tenant, count: usize, now: Timestamp) -> Result<(), Problem> {
        self.limits.look(id, &tenant.limits, count, now).map_err(|why| throttled(id, why))
    }

    /// Lets the commands of all these groups through, or none.
    pub fn take<'a>(
        &self,
        id: &TenantId,
        tenant: &Tenant,
        groups: impl Iterator<Item = &'a str>,
        now: Timestamp,
    ) -> Result<(), Problem> {
        self.limits.take(id, &tenant.limits, groups, now).map_err(|why| throttled(id, why))
    }

    /// Counts so many commands that were refused: a refused request costs as much work as an accepted one.
    pub fn charge<T>(&self, taken: &Result<T, Refusal>, sender: Sender<'_>, count: usize, now: Timestamp) {
        if taken.as_ref().is_err_and(|refusal| (400..429).contains(&refusal.status())) {
            self.limits.charge(&sender.caller.tenant, &sender.tenant.limits, count, now);
        }
    }
}

/// Counted by tenant, of which only those that are throttled show.
fn throttled(tenant: &TenantId, why: Throttled) -> Problem {
    if why != Throttled::Paused {
        metrics::counter!(metric::THROTTLED).increment(1);
        metrics::counter!(metric::THROTTLED, "Tenant" => tenant.to_string()).increment(1);
    }
    why.into()
}

fn group_of(all: &[Admitted]) -> impl Iterator<Item = &str> {
    all.iter().map(|admitted| admitted.outgoing.group.as_str())
}

pub fn too_large() -> Problem {
    Problem::too_large("an event takes at most 256 KiB; put large content elsewhere and send where it is")
}

/// What a client is told of messages that were not queued.
pub fn queued(sent: Result<(), messaging::SendError>) -> Result<(), Refusal> {
    let told = "the commands could not all be queued; send the same again, which repeats nothing";
    sent.map_err(|error| Refusal::unavailable(told, &error))
}

fn accepted(context: &'static str) {
    metrics::counter!(metric::ACCEPTED, "Context" => context).increment(1);
    tracing::debug!("accepted");
}
