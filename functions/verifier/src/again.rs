//! Whether a finding is still true: asked before it is mended, and before it closes.

use store::StoreError;
use store::findings::{Finding, Found, Kind};
use store::stream_positions::CommitReference;

use crate::Verifier;
use crate::patience::{LEAST, Patience};
use crate::verify::{Part, part_of, stream_of};

impl Verifier {
    /// By its own subject, as it is now; `None`: that cannot be said. What ages out of what is judged stays unsaid: it has not
    /// become right.
    pub(crate) async fn is_still_true(
        &self,
        finding: &Finding,
        patience: Patience,
    ) -> Result<Option<bool>, StoreError> {
        let patience = patience.settled_after(LEAST);
        match part_of(finding.kind) {
            Part::Streams => self.is_true_of_stream(finding, patience).await,
            Part::Operations => self.is_true_of_operation(finding, patience).await,
            Part::Parked => {
                let Some((key, id)) = &finding.place.parked else { return Ok(None) };
                let found = readable(self.parked_message(key, id, patience).await)?;
                Ok(found.map(|found| is_it(finding, found)))
            }
            Part::Claims => {
                let (Some(key), Some(holder)) = (&finding.place.guard_key, &finding.place.holder) else {
                    return Ok(None);
                };
                Ok(Some(is_it(finding, self.claim(key, holder).await?)))
            }
            Part::Timers => {
                let Some(id) = &finding.place.timer else { return Ok(None) };
                let found = readable(self.overdue(id.clone(), patience).await)?;
                Ok(found.map(|found| is_it(finding, found)))
            }
            Part::Collections => self.is_true_of_collection(finding).await,
        }
    }

    async fn is_true_of_stream(&self, finding: &Finding, patience: Patience) -> Result<Option<bool>, StoreError> {
        let Some(stream_id) = &finding.stream else { return Ok(None) };
        let found = self.again(stream_id.clone(), patience).await?;
        if is_among(finding, &found) {
            return Ok(Some(true));
        }
        // Where commits are damaged, nothing else is judged.
        let is_damage = |kind| matches!(kind, Kind::CommitMissing | Kind::CommitUnreadable);
        if !is_damage(finding.kind) && found.iter().any(|found| is_damage(found.kind)) {
            return Ok(None);
        }
        let is_known = stream_of(stream_id).is_some_and(|stream| (self.read_models_of)(&stream).is_some());
        let ages = matches!(
            finding.kind,
            Kind::EventWithoutOperation | Kind::OperationDiffers | Kind::CommandLost | Kind::TimerLost
        );
        if ages {
            let is_kept = match &finding.place.commit {
                Some(at) => self.is_kept(at, patience).await?,
                None => false,
            };
            return Ok(is_kept.then_some(false));
        }
        Ok((is_known || is_damage(finding.kind)).then_some(false))
    }

    /// Whether the records that go with the commit must still be there.
    async fn is_kept(&self, at: &CommitReference, patience: Patience) -> Result<bool, StoreError> {
        let commit = readable(self.streams.find(at).await)?.flatten();
        Ok(commit.is_some_and(|commit| patience.is_kept(commit.committed_at())))
    }

    async fn is_true_of_operation(&self, finding: &Finding, patience: Patience) -> Result<Option<bool>, StoreError> {
        let Some(key) = &finding.place.operation else { return Ok(None) };
        let Some(record) = readable(self.operations.look_up(key).await)? else { return Ok(None) };
        // What a refusal has become is known for as long as both records are kept.
        let is_kept = record.as_ref().is_some_and(|record| patience.is_kept(record.recorded_at));
        let found = self.operation(key, patience).await?;
        if finding.kind == Kind::RefusalUntold && !is_kept {
            return Ok(is_among(finding, &found).then_some(true));
        }
        Ok(Some(is_among(finding, &found)))
    }

    async fn is_true_of_collection(&self, finding: &Finding) -> Result<Option<bool>, StoreError> {
        let (Some(tenant), Some(collection)) = (&finding.tenant, &finding.place.collection) else { return Ok(None) };
        if finding.kind == Kind::TotalOff {
            let counted = readable(self.read_models.count(tenant, collection).await)?.flatten();
            let counted = counted.filter(|counted| counted.unreadable.is_empty());
            return Ok(counted.map(|counted| !counted.differences.is_empty()));
        }
        let Some(stream) = finding.stream.as_deref().and_then(stream_of) else { return Ok(None) };
        let row = readable(self.read_models.get(tenant, collection, &stream.aggregate).await)?;
        let is_empty = self.streams.each(&stream.to_string()).await?.is_empty();
        Ok(row.map(|row| row.is_some() && is_empty))
    }
}

fn is_among(finding: &Finding, found: &[Found]) -> bool {
    found.iter().any(|found| found.id() == finding.id)
}

fn is_it(finding: &Finding, found: Option<Found>) -> bool {
    found.is_some_and(|found| found.id() == finding.id)
}

/// `None`: what is stored cannot be read.
fn readable<T>(read: Result<T, StoreError>) -> Result<Option<T>, StoreError> {
    match read {
        Ok(read) => Ok(Some(read)),
        Err(StoreError::Corrupt { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}
