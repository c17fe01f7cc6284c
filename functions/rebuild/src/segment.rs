//! A page of a segment of all streams.

use messaging::SendError;
use store::StoreError;
use store::jobs::{Job, Segment, Task};
use walk::Walk;
use walk::counting::Counting as _;
use walk::page::{Part, parts};

use crate::Rebuild;
use crate::documents::Wanted;

/// Why a job is left to the next invocation.
#[derive(Debug, thiserror::Error)]
pub enum WorkError {
    #[error("the job, what it walks, or what it writes could not be read or written")]
    Store(#[from] StoreError),
    #[error("events were not sent again")]
    Queue(#[from] SendError),
}

impl Walk for Rebuild {
    type Error = WorkError;

    fn takes(&self, task: &Task) -> bool {
        matches!(task, Task::Rebuild { .. } | Task::Replay { .. } | Task::Recount { .. })
    }

    async fn page(&self, job: &Job, number: u32, segment: &mut Segment, most: i32) -> Result<usize, WorkError> {
        if let Task::Recount { tenant, collection } = &job.task {
            self.recount(tenant, collection, segment).await?;
            return Ok(0);
        }
        let (parts, next) = if let Task::Rebuild { stream: Some(stream_id), .. } = &job.task {
            (vec![Part { stream_id: stream_id.clone(), events: None }], None)
        } else {
            let scanned = self.streams.scan((number, job.segments), segment.after.as_ref(), most).await?;
            let next = scanned.next.clone();
            (parts(scanned, segment.after.as_ref()), next)
        };
        let events = match &job.task {
            Task::Rebuild { collection, tenant, .. } => {
                let wanted = Wanted { job, collection: collection.as_deref(), tenant: tenant.as_ref() };
                // Segments are written side by side, and must not meet at the totals.
                self.rebuild(parts, wanted, segment, &self.read_models.numbered(number)).await?
            }
            _ => self.replay(job, parts, segment).await?,
        };
        segment.add("events", events as u64);
        segment.done = next.is_none();
        segment.after = next;
        Ok(events)
    }

    /// Totals that cannot be counted now are left until later.
    fn goes_on(&self, task: &Task) -> bool {
        !matches!(task, Task::Recount { .. })
    }
}
