//! A segment of all streams, page by page.

use store::jobs::{Job, Segment, Task};

use crate::Rebuild;
use crate::counting::Counting as _;
use crate::documents::Wanted;
use crate::gate::Gate;
use crate::page::parts;
use crate::work::WorkError;

impl Rebuild {
    /// Walks a segment as far as it may, and gives how far that was.
    pub(crate) async fn walk(
        &self,
        job: &Job,
        number: u32,
        mut segment: Segment,
        gate: &Gate,
    ) -> Result<Segment, WorkError> {
        let read_models = self.read_models.beside();
        while !segment.done && gate.pass().await {
            let scanned = self.streams.scan((number, job.segments), segment.after.as_ref(), gate.page()).await?;
            let next = scanned.next.clone();
            let parts = parts(scanned, segment.after.as_ref());
            let events = match &job.task {
                Task::Rebuild { collection, tenant, dry_run } => {
                    let wanted = Wanted { collection: collection.as_deref(), tenant: tenant.as_ref() };
                    self.rebuild(parts, wanted, *dry_run, &mut segment, &read_models).await?
                }
                Task::Replay { .. } => self.replay(job, parts, &mut segment).await?,
            };
            segment.add("events", events as u64);
            segment.done = next.is_none();
            segment.after = next;
            if !self.jobs.note(job, number, &segment).await? {
                break; // somebody else walks it
            }
            segment.step += 1;
            gate.took(events);
        }
        Ok(segment)
    }
}
