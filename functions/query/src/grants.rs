//! Who may read what of a tenant: by scope, and by the tenant's read grants.

use std::sync::Arc;

use kernel::problem::Problem;
use lambda::caller::{Caller, claims};
use lambda::claims::Claims;
use lambda::refusal::{Refusal, registry_problem};
use lambda::scope::{Scope, require};
use lambda_http::Request;
use store::registry::{ReadGrant, TenantSettings, include};

use crate::Query;

/// What a caller may read of a collection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Sight {
    All,
    /// Documents of these owners, and no totals.
    Own(Vec<String>),
}

impl Sight {
    pub fn includes(&self, owner: &str) -> bool {
        match self {
            Self::All => true,
            Self::Own(owners) => owners.iter().any(|own| own == owner),
        }
    }
}

/// What a caller may read, collection by collection.
pub(crate) struct Sights<'a> {
    caller: &'a Caller,
    claims: Claims,
    settings: Arc<TenantSettings>,
}

impl Sights<'_> {
    /// `None`: nothing.
    pub fn of(&self, collection: &str) -> Option<Sight> {
        // A tenant that says nothing of reading lets everybody of its own read everything.
        let Some(grants) = &self.settings.reads else { return Some(Sight::All) };
        sight(grants, self.caller, collection, |claim| self.claims.get(claim).cloned())
    }
}

impl Query {
    /// What this caller may read of the collection.
    pub(crate) async fn sight(&self, request: &Request, caller: &Caller, collection: &str) -> Result<Sight, Refusal> {
        require(request, &[Scope::Read])?;
        let sights = self.sights(request, caller).await?;
        let sights = sights.ok_or_else(|| Problem::not_permitted("the tenant has no settings; ask the operator"))?;
        let sight = sights.of(collection);
        sight.ok_or_else(|| Problem::not_permitted(format!("no grant lets this principal read {collection}")).into())
    }

    /// What this caller's tenant lets them read, if they have the scope; `None`: the tenant has no settings.
    pub(crate) async fn sights<'a>(
        &self,
        request: &Request,
        caller: &'a Caller,
    ) -> Result<Option<Sights<'a>>, Refusal> {
        let settings = self.settings.get(caller.tenant.as_str()).await;
        let settings = settings.map_err(|error| registry_problem(&error, "the tenant's settings"))?;
        Ok(settings.map(|settings| Sights { caller, claims: claims(request).unwrap_or_default(), settings }))
    }
}

/// What the grants give together; `None`: nothing.
fn sight(
    grants: &[ReadGrant],
    caller: &Caller,
    collection: &str,
    claim: impl Fn(&str) -> Option<String>,
) -> Option<Sight> {
    let mut owners = Vec::new();
    for grant in grants.iter().filter(|grant| {
        include(&grant.principals, &caller.principal)
            && grant.collections.iter().any(|name| name == "*" || name == collection)
    }) {
        match &grant.own {
            None => return Some(Sight::All),
            // An empty claim names nobody.
            Some(own) => owners.extend(claim(own).filter(|owner| !owner.is_empty())),
        }
    }
    (!owners.is_empty()).then_some(Sight::Own(owners))
}
