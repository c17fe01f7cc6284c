//! Commands that go to a queue of the tenant's own, watched over until their outcome is reported, if the tenant sets a time for
//! that. The timekeeper does so; here it is told of them, by a queue, so that ingest needs no database for it.

use kernel::ids::{OWN, TenantId};
use kernel::timestamp::Timestamp;
use messaging::{Queues, SendError, SqsClient};
use timers::Watched;

use crate::admit::Admitted;
use crate::tenants::Tenant;

/// Has commands watched over.
pub struct Watch {
    sqs: SqsClient,
    queues: Queues,
}

impl Watch {
    pub fn new(sqs: SqsClient, queues: Queues) -> Self {
        Self { sqs, queues }
    }

    /// Those that are to be watched over.
    pub fn chosen(id: &TenantId, tenant: &Tenant, all: &[Admitted], now: Timestamp) -> Vec<Watched> {
        let Some(time) = tenant.report_within else { return Vec::new() };
        let own = all.iter().filter(|admitted| admitted.context == OWN);
        own.map(|admitted| Watched::new(id, &admitted.outgoing, now, now.plus(time))).collect()
    }

    /// After the commands themselves: what nobody was told to do need not be reported.
    pub async fn over(&self, watched: Vec<Watched>) -> Result<(), SendError> {
        if watched.is_empty() { Ok(()) } else { timers::watch(&self.sqs, &self.queues, watched).await }
    }
}
