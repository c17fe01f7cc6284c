//! Claims: does each holder claim its value?

use store::StoreError;
use store::findings::{Found, Kind, Place};
use store::guards::{Claimed, claim_key};
use store::jobs::Segment;
use walk::counting::Counting as _;

use crate::Verifier;
use crate::verify::Scope;

impl Verifier {
    /// A page of the guards' table.
    pub(crate) async fn claims(
        &self,
        scope: Scope<'_>,
        which: (u32, u32),
        segment: &mut Segment,
        most: i32,
    ) -> Result<(Vec<Found>, usize), StoreError> {
        let (claims, last) = self.guards.claims(which, &segment.last_key, most).await?;
        let items = claims.len();
        let mut judged = Vec::new();
        for claimed in claims {
            let tenant = claimed.stream().map(|stream| stream.tenant);
            if scope.has_tenant(tenant.as_ref()) {
                let found = self.without_owner(&claimed).await?;
                judged.push((claimed, found.into_iter().collect()));
            }
        }
        segment.add("claims", judged.len() as u64);
        let again = |claimed: Claimed| async move {
            Ok(self.claim(&claimed.guard_key, &claimed.holder).await?.into_iter().collect())
        };
        let found = self.twice(judged, again).await?;
        segment.last_key = last;
        Ok((found, items))
    }

    /// One claim as it is now: it may be given back since.
    pub(crate) async fn claim(&self, guard_key: &str, holder: &str) -> Result<Option<Found>, StoreError> {
        if self.guards.holder(guard_key).await?.as_deref() != Some(holder) {
            return Ok(None);
        }
        self.without_owner(&Claimed { guard_key: guard_key.to_owned(), holder: holder.to_owned() }).await
    }

    async fn without_owner(&self, claimed: &Claimed) -> Result<Option<Found>, StoreError> {
        let Some(stream) = claimed.stream() else { return Ok(None) };
        let events = match self.streams.after(&stream, 0).await {
            Ok(events) => events,
            Err(StoreError::Corrupt { .. }) => return Ok(None), // the stream says so
            Err(error) => return Err(error),
        };
        let actual = if events.is_empty() {
            "it does not exist"
        } else {
            let context = self.contexts.iter().find(|context| context.name == stream.context);
            let ty = context.and_then(|context| context.aggregate_type(&stream));
            let Some(Ok(Some(claims))) = ty.map(|ty| ty.claims(&events)) else { return Ok(None) };
            if claims.iter().any(|claim| claim_key(&stream, claim) == claimed.guard_key) {
                return Ok(None);
            }
            "it does not claim it"
        };
        let name = claimed.claim().map_or("a value", |(name, _)| name);
        Ok(Some(Found {
            kind: Kind::ClaimWithoutOwner,
            about: claimed.guard_key.clone(),
            tenant: Some(stream.tenant.clone()),
            place: Place {
                guard_key: Some(claimed.guard_key.clone()),
                holder: Some(claimed.holder.clone()),
                ..Place::default()
            },
            expected: format!("{} claims {name}", claimed.holder),
            actual: actual.to_owned(),
            stream: Some(stream.to_string()),
        }))
    }
}
