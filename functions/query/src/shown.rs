//! Documents as this build shows them. One that was stored with another layout is folded anew from its events, so nobody
//! waits for a rebuild.

use catalog::Owned;
use futures_util::{StreamExt as _, stream};
use kernel::ids::{AggregateId, TenantId};
use lambda::telemetry::chain;
use store::StoreError;
use store::read_models::{By, Change, ChangeError, Key, Row};

use crate::Query;

/// How many documents of a list are folded at the same time.
const AT_A_TIME: usize = 10;

/// How many documents are folded for one answer: more than a list has.
const MOST_FOLDED: usize = 200;

/// A document, and where it is found.
pub(crate) struct Shown {
    pub version: u64,
    /// JSON.
    pub document: String,
    pub owner: String,
    /// `None`: where the store's index found it.
    state: Option<String>,
}

impl Query {
    pub(crate) async fn shown(&self, of: Owned, tenant: &TenantId, row: Row) -> Result<Shown, StoreError> {
        let Owned { context, aggregate_type, read_model } = of;
        if row.layout == read_model.layout() {
            let owner = row.owner().to_owned();
            return Ok(Shown { version: row.version, document: row.document, owner, state: None });
        }
        let corrupt = |source: ChangeError| StoreError::Corrupt { what: "stream", source: source.into() };
        let id = AggregateId::parse(&row.id)
            .map_err(|source| StoreError::Corrupt { what: "read model", source: source.into() })?;
        let stream = context.stream(aggregate_type, tenant.clone(), id.clone());
        let events = self.streams.after(&stream, 0).await?;
        let key = Key { tenant: tenant.clone(), collection: read_model.collection(), id };
        let anew = Change::anew(key, read_model, None, &events).map_err(corrupt)?;
        if anew.to_version < row.version {
            return Err(corrupt(ChangeError::Missing(anew.to_version)));
        }
        let (owner, state) = (anew.listing.owner, Some(anew.listing.state));
        Ok(Shown { version: anew.to_version, document: anew.document, owner, state })
    }

    /// The documents of a part of a list, without those that this build would list elsewhere; and whether these are all. What
    /// cannot be made anew does not hide the others, nor what there would be too much of to make anew for one answer.
    pub(crate) async fn all_shown(
        &self,
        of: Owned,
        tenant: &TenantId,
        by: By<'_>,
        mut rows: Vec<Row>,
    ) -> Result<(Vec<Shown>, bool), StoreError> {
        let (mut to_fold, all) = (0, rows.len());
        rows.retain(|row| {
            to_fold += usize::from(row.layout != of.read_model.layout());
            row.layout == of.read_model.layout() || to_fold <= MOST_FOLDED
        });
        let mut complete = rows.len() == all;
        let mut shown = Vec::new();
        let mut each = stream::iter(rows).map(|row| self.shown(of, tenant, row)).buffered(AT_A_TIME);
        while let Some(one) = each.next().await {
            match one {
                Ok(one) if one.belongs(by) => shown.push(one),
                Ok(_) => {}
                Err(error @ StoreError::Corrupt { .. }) => {
                    tracing::error!(collection = of.read_model.collection(), error = chain(&error), "left out");
                    complete = false;
                }
                Err(error) => return Err(error),
            }
        }
        Ok((shown, complete))
    }
}

impl Shown {
    fn belongs(&self, by: By<'_>) -> bool {
        let is_in = |wanted: &str| self.state.as_deref().is_none_or(|state| state == wanted);
        match by {
            By::Owner { owner, state } => self.owner == owner && state.is_none_or(is_in),
            By::State(state) => is_in(state),
        }
    }
}
