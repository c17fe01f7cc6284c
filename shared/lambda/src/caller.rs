//! Who calls, from the claims that the API's JWT authorizer has verified: a tenant's caller, or an operator.

use std::collections::HashMap;
use std::time::Duration;

use kernel::command::{Principal, PrincipalKind};
use kernel::ids::TenantId;
use lambda_http::request::RequestContext;
use lambda_http::{Request, RequestExt as _};
use store::StoreError;
use store::registry::{self, Registry};

use crate::cache::Cache;

/// A caller whose tenant is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    pub tenant: TenantId,
    pub principal: Principal,
}

/// Why a caller is not let in.
#[derive(Debug, thiserror::Error)]
pub enum UnknownCaller {
    #[error("the request carries no verified claims")]
    NoClaims,
    #[error("the caller belongs to no tenant")]
    NoTenant,
    #[error("the caller's tenant cannot be looked up now")]
    Registry(#[from] StoreError),
}

/// Finds callers' tenants.
pub struct Callers {
    tenant_claim: String,
    clients: Cache<TenantId, StoreError>,
}

/// How old what was read from the registry may be before it is read again.
pub const FRESH_FOR: Duration = Duration::from_mins(1);

impl Callers {
    /// `tenant_claim` names the claim that holds the tenant in users' tokens. Tokens of machine clients carry no claims
    /// of their own: their tenant is registered by `client_id`.
    pub fn new(registry: Registry, tenant_claim: impl Into<String>) -> Self {
        let clients = Cache::new(FRESH_FOR, move |client: String| {
            let registry = registry.clone();
            async move { registry.tenant_of_client(&client).await }
        });
        Self { tenant_claim: tenant_claim.into(), clients }
    }

    pub async fn identify(&self, request: &Request) -> Result<Caller, UnknownCaller> {
        let claims = claims(request).ok_or(UnknownCaller::NoClaims)?;
        self.of_claims(&claims).await
    }

    async fn of_claims(&self, claims: &HashMap<String, String>) -> Result<Caller, UnknownCaller> {
        let principal = principal(claims).ok_or(UnknownCaller::NoClaims)?;
        let tenant = match (claim(claims, &self.tenant_claim), principal.kind) {
            (Some(tenant), _) => TenantId::parse(tenant).ok(),
            // The client's tenant is not that of whoever signs in through it.
            (None, PrincipalKind::User) => None,
            (None, PrincipalKind::ServiceAccount) => {
                self.clients.get(&principal.id).await?.map(|tenant| (*tenant).clone())
            }
        };
        Ok(Caller { tenant: tenant.ok_or(UnknownCaller::NoTenant)?, principal })
    }
}

/// An operator: somebody who acts on what is set aside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operator {
    pub principal: Principal,
    /// What people call them, where their token says so.
    pub name: Option<String>,
    /// The only tenant they see; `None`: a platform operator, who sees them all.
    pub tenant: Option<TenantId>,
}

impl Operator {
    /// Who did something, for those who read it later.
    pub fn signature(&self) -> String {
        let id = &self.principal.id;
        self.name.as_ref().filter(|name| *name != id).map_or_else(|| id.clone(), |name| format!("{name} ({id})"))
    }

    /// Whether they see what is this tenant's. What names no tenant is for platform operators.
    pub fn may_see(&self, tenant: Option<&TenantId>) -> bool {
        self.tenant.is_none() || self.tenant.as_ref() == tenant
    }
}

/// Finds out who is an operator of what.
pub struct Operators {
    callers: Callers,
    registered: Cache<registry::Operator, StoreError>,
}

impl Operators {
    /// `tenant_claim`: see [`Callers::new`].
    pub fn new(registry: Registry, tenant_claim: impl Into<String>) -> Self {
        let callers = Callers::new(registry.clone(), tenant_claim);
        let registered = Cache::new(FRESH_FOR, move |id: String| {
            let registry = registry.clone();
            async move { registry.operator(&id).await }
        });
        Self { callers, registered }
    }

    /// An operator as registered; whoever is not, an operator of their own tenant. What they may do is the scope's
    /// business, which the authorizer has checked.
    pub async fn identify(&self, request: &Request) -> Result<Operator, UnknownCaller> {
        let claims = claims(request).ok_or(UnknownCaller::NoClaims)?;
        let principal = principal(&claims).ok_or(UnknownCaller::NoClaims)?;
        let name =
            ["username", "preferred_username", "email"].into_iter().find_map(|name| claim(&claims, name)).cloned();
        if let Some(registered) = self.registered.get(&principal.id).await? {
            return Ok(Operator { principal, name, tenant: registered.tenant.clone() });
        }
        let Caller { tenant, principal } = self.callers.of_claims(&claims).await?;
        Ok(Operator { principal, name, tenant: Some(tenant) })
    }
}

fn principal(claims: &HashMap<String, String>) -> Option<Principal> {
    let client = claim(claims, "client_id").or(claim(claims, "azp"));
    match claim(claims, "sub") {
        Some(sub) if Some(sub) != client => Some(Principal { id: sub.clone(), kind: PrincipalKind::User }),
        _ => client.map(|client| Principal { id: client.clone(), kind: PrincipalKind::ServiceAccount }),
    }
}

fn claim<'a>(claims: &'a HashMap<String, String>, name: &str) -> Option<&'a String> {
    claims.get(name).filter(|value| !value.is_empty())
}

fn claims(request: &Request) -> Option<HashMap<String, String>> {
    let RequestContext::ApiGatewayV2(context) = request.request_context_ref()? else { return None };
    Some(context.authorizer.as_ref()?.jwt.as_ref()?.claims.clone())
}
