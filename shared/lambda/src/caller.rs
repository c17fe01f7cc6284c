//! Who calls, from the claims that the API's JWT authorizer has verified: a tenant's caller, or an operator.

use std::time::Duration;

use kernel::ids::{InvalidId, TenantId};
use kernel::principal::{Principal, PrincipalKind};
use kernel::text;
use lambda_http::request::RequestContext;
use lambda_http::{Request, RequestExt as _};
use store::StoreError;
use store::registry::{self, Registry};

use crate::cache::Cache;
use crate::claims::{ClaimRules, Claims, claim};

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
    #[error("the token's subject is no id that can be recorded")]
    BadSubject(#[source] InvalidId),
    #[error("the token has no claim {claim}, and is no client's own")]
    NoTenantClaim { claim: String },
    #[error("the token's claim {claim} is no tenant's id")]
    BadTenantClaim { claim: String, source: InvalidId },
    #[error("the client is registered with no tenant")]
    UnregisteredClient,
    #[error("no operator is registered as {0}")]
    NoOperator(Principal),
    /// The log names the entry.
    #[error("the registry does not say who the caller is")]
    Registry(#[from] StoreError),
}

/// Finds callers' tenants.
pub struct Callers {
    rules: ClaimRules,
    clients: Cache<TenantId, StoreError>,
}

/// How old an entry of the registry may be before it is read again.
pub const FRESH_FOR: Duration = Duration::from_mins(1);

impl Callers {
    /// A tenant comes from the claim that `rules` name. A client's own token may lack it: then its tenant is the one that
    /// the client is registered with.
    pub fn new(registry: Registry, rules: ClaimRules) -> Self {
        let clients = Cache::new("client", FRESH_FOR, move |client: String| {
            let registry = registry.clone();
            async move { registry.tenant_of_client(&client).await }
        });
        Self { rules, clients }
    }

    pub async fn identify(&self, request: &Request) -> Result<Caller, UnknownCaller> {
        let claims = claims(request).ok_or(UnknownCaller::NoClaims)?;
        self.of_claims(&claims).await
    }

    async fn of_claims(&self, claims: &Claims) -> Result<Caller, UnknownCaller> {
        let principal = principal(&self.rules, claims)?;
        let tenant_claim = &self.rules.tenant;
        let tenant = match (claim(claims, tenant_claim), principal.kind) {
            (Some(tenant), _) => TenantId::parse(tenant)
                .map_err(|source| UnknownCaller::BadTenantClaim { claim: tenant_claim.clone(), source })?,
            (None, PrincipalKind::ServiceAccount) => return self.of_client(principal).await,
            // The client's tenant is not that of whoever signs in through it.
            (None, _) => return Err(UnknownCaller::NoTenantClaim { claim: tenant_claim.clone() }),
        };
        Ok(Caller { tenant, principal })
    }

    /// A machine client, of the tenant that it is registered with.
    pub async fn of_client(&self, principal: Principal) -> Result<Caller, UnknownCaller> {
        let registered = self.clients.get(&principal.id).await?;
        let tenant = registered.as_deref().cloned().ok_or(UnknownCaller::UnregisteredClient)?;
        Ok(Caller { tenant, principal })
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
    /// Who did something, for those who read it later: who they are, which was verified, and then what they are called,
    /// which they may have chosen.
    pub fn signature(&self) -> String {
        let Self { principal, name, .. } = self;
        let name = name.as_ref().filter(|name| **name != principal.id);
        name.map_or_else(|| principal.to_string(), |name| format!("{principal} ({name})"))
    }

    /// Whether they see what is this tenant's. What names no tenant is for platform operators.
    pub fn may_see(&self, tenant: Option<&TenantId>) -> bool {
        self.tenant.is_none() || self.tenant.as_ref() == tenant
    }
}

/// Finds out who is an operator of what.
pub struct Operators {
    rules: ClaimRules,
    registered: Cache<registry::OperatorEntry, StoreError>,
}

impl Operators {
    /// `rules`: see [`Callers::new`].
    pub fn new(registry: Registry, rules: ClaimRules) -> Self {
        let registered = Cache::new("operator", FRESH_FOR, move |principal: String| {
            let registry = registry.clone();
            async move { registry.operator(&Principal::read(&principal)).await }
        });
        Self { rules, registered }
    }

    /// An operator as registered. Whoever is not operates nothing, whatever their token says. What an operator may do is
    /// the scope's business ([`crate::scope`]).
    pub async fn identify(&self, request: &Request) -> Result<Operator, UnknownCaller> {
        let claims = claims(request).ok_or(UnknownCaller::NoClaims)?;
        let principal = principal(&self.rules, &claims)?;
        match self.registered.get(&principal.to_string()).await? {
            Some(registered) => Ok(Operator { name: name(&claims), principal, tenant: registered.tenant.clone() }),
            None => Err(UnknownCaller::NoOperator(principal)),
        }
    }
}

fn principal(rules: &ClaimRules, claims: &Claims) -> Result<Principal, UnknownCaller> {
    rules.principal(claims).map_err(UnknownCaller::BadSubject)?.ok_or(UnknownCaller::NoClaims)
}

/// What people call somebody, where their token says so. Whoever signs in may have chosen it.
fn name(claims: &Claims) -> Option<String> {
    const MOST_CHARACTERS: usize = 64;
    let names = ["username", "preferred_username", "email"].into_iter().filter_map(|name| claim(claims, name));
    names.map(|name| text::visible(name, MOST_CHARACTERS)).find(|name| !name.is_empty())
}

/// The claims that the authorizer has verified; `None` where it has not been asked.
pub fn claims(request: &Request) -> Option<Claims> {
    let RequestContext::ApiGatewayV2(context) = request.request_context_ref()? else { return None };
    Some(context.authorizer.as_ref()?.jwt.as_ref()?.claims.clone())
}
