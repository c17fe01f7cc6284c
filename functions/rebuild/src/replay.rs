//! Events sent again to one subscriber, for one that had a fault.

use kernel::cloud_event::CloudEvent;
use kernel::domain_event::RecordedEvent;
use kernel::ids::StreamId;
use lambda::telemetry::chain;
use messaging::replay::send_again;
use store::StoreError;
use store::jobs::{Job, Segment, Task};
use walk::counting::Counting as _;
use walk::page::Part;

use crate::Rebuild;
use crate::segment::WorkError;

impl Rebuild {
    /// Sends what is wanted of a page's streams, each stream's in order. Gives how many events that were. A page that is done
    /// again sends it again.
    pub(crate) async fn replay(&self, job: &Job, parts: Vec<Part>, segment: &mut Segment) -> Result<usize, WorkError> {
        let Task::Replay { subscriber, context, tenant, types, from, to, dry_run } = &job.task else { return Ok(0) };
        let is_wanted = |event: &RecordedEvent| {
            (types.is_empty() || types.contains(&event.event.ty))
                && from.is_none_or(|from| event.time >= from)
                && to.is_none_or(|to| event.time < to)
        };
        let mut events: Vec<CloudEvent> = Vec::new();
        for Part { stream_id, events: known } in parts {
            let Ok(stream) = StreamId::parse(&stream_id) else {
                segment.failed(&stream_id, "its name is no stream's");
                continue;
            };
            if stream.context != *context || tenant.as_ref().is_some_and(|tenant| *tenant != stream.tenant) {
                continue;
            }
            segment.add("streams", 1);
            let known = match known {
                Some(known) => known,
                None => match self.streams.after(&stream, 0).await {
                    Ok(all) => all.into(),
                    Err(error @ StoreError::Corrupt { .. }) => {
                        segment.failed(&stream_id, &chain(&error));
                        continue;
                    }
                    Err(error) => return Err(error.into()),
                },
            };
            let wanted = known.iter().filter(|event| is_wanted(event));
            events.extend(wanted.map(|event| event.to_cloud_event(&self.public_url)));
        }
        if !dry_run && !events.is_empty() {
            send_again(&self.sqs, &self.queues.updates(subscriber), &events, job.id()).await?;
        }
        segment.add("sent", events.len() as u64);
        Ok(events.len())
    }
}
