//! Tenants as ingest needs them: settings parsed, schemas compiled, both cached.

use std::sync::Arc;
use std::time::Duration;

use kernel::ids::TenantId;
use lambda::cache::Cache;
use lambda::caller::FRESH_FOR;
use lambda::telemetry::metric;
use schemas::TenantSchemas;
use store::StoreError;
use store::registry::{self, Registry, TenantLimits};

use crate::grants::Grants;
use crate::partners::Partners;
use crate::routes::Routes;

/// A tenant, ready to admit events.
pub struct Tenant {
    pub limits: TenantLimits,
    pub grants: Grants,
    pub routes: Routes,
    /// Whose events it hears.
    pub partners: Partners,
    /// Who may report what became of commands.
    pub reports: Grants,
    /// After how long without a report operators are told.
    pub report_within: Option<Duration>,
    pub schemas: TenantSchemas,
}

impl Tenant {
    /// As it is registered.
    pub fn of(registered: registry::TenantEntry) -> Self {
        let registry::TenantEntry { id, settings, limits, pipelines, partners, schemas } = registered;
        let schemas = TenantSchemas::compile(&id, &schemas);
        metrics::counter!(metric::UNREADABLE).increment(schemas.unusable());
        let seconds = pipelines.report_within_seconds;
        Self {
            limits,
            grants: Grants::of(&settings.grants),
            routes: Routes::of(&settings.routes),
            partners: Partners::of(&partners),
            reports: Grants::of(&pipelines.reports),
            report_within: seconds.map(|seconds| Duration::from_secs(seconds.get().into())),
            schemas,
        }
    }
}

/// All tenants, each read when it is first heard of, refreshed in the background, and kept while the registry does not
/// answer. What it answers and nobody can read is an error for that tenant.
pub struct Tenants(Cache<Tenant, StoreError>);

impl Tenants {
    pub fn new(registry: Registry) -> Self {
        Self(Cache::weighing(
            "tenant",
            FRESH_FOR,
            |tenant: &Tenant| tenant.schemas.bytes(),
            move |id: String| {
                let registry = registry.clone();
                async move {
                    let Ok(id) = TenantId::parse(&id) else { return Ok(None) };
                    Ok(registry.tenant(&id).await?.map(Tenant::of))
                }
            },
        ))
    }

    pub async fn get(&self, id: &TenantId) -> Result<Option<Arc<Tenant>>, StoreError> {
        self.0.get(id.as_str()).await
    }
}
