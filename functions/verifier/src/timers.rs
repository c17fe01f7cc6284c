//! Timers that are long due, and still set.

use kernel::ids::{StreamId, TenantId};
use store::StoreError;
use store::findings::{Found, Kind, Place};
use store::jobs::Segment;
use store::stream_positions::CommitReference;
use store::timers::{PARTS, Timer, TimerId};
use walk::counting::Counting as _;

use crate::Verifier;
use crate::patience::Patience;
use crate::verify::Scope;

/// Timers of a part that are read at once.
const PAGE: i32 = 1_000;

impl Verifier {
    /// A segment's share of the timers' index, which is small: it has those alone that wait.
    pub(crate) async fn timers(
        &self,
        scope: Scope<'_>,
        patience: Patience,
        (number, segments): (u32, u32),
        segment: &mut Segment,
    ) -> Result<(Vec<Found>, usize), StoreError> {
        let mut judged = Vec::new();
        let mut items = 0;
        for part in (0..PARTS).filter(|part| part % segments == number) {
            let mut start = None;
            loop {
                let (waiting, next) = match self.timers.to_look_at(part, patience.never(), PAGE, start).await {
                    Err(error @ StoreError::Corrupt { .. }) => {
                        segment.failed("a timer", &lambda::telemetry::chain(&error));
                        break;
                    }
                    read => read?,
                };
                items += waiting.len();
                let overdue = waiting.into_iter().filter(|waiting| patience.is_delivered(waiting.due));
                let overdue = overdue.filter(|waiting| scope.has_tenant(tenant(&waiting.id).as_ref()));
                let suspected = |id: TimerId, due| (id.clone(), vec![found(&id, format!("due {due}"))]);
                judged.extend(overdue.map(|waiting| suspected(waiting.id, waiting.due)));
                start = next;
                if start.is_none() {
                    break;
                }
            }
        }
        segment.add("timers", items as u64);
        let again = |id: TimerId| async move { Ok(self.overdue(id, patience).await?.into_iter().collect()) };
        Ok((self.twice(judged, again).await?, items))
    }

    /// One timer as it is now. It may have been set when it was due already.
    pub(crate) async fn overdue(&self, id: TimerId, patience: Patience) -> Result<Option<Found>, StoreError> {
        let Some(Timer { id, due, .. }) = self.timers.find(&id).await? else { return Ok(None) };
        let stream = id.timer_key.rsplit_once('#').map_or("", |(stream, _)| stream).to_owned();
        let at = CommitReference { stream_id: stream, commit_number: id.commit_number };
        let set = match self.streams.find(&at).await {
            Ok(commit) => commit.map(|commit| commit.committed_at()),
            Err(StoreError::Corrupt { .. }) => None,
            Err(error) => return Err(error),
        };
        let since = set.map_or(due, |set| due.max(set));
        Ok(patience.is_delivered(since).then(|| found(&id, format!("due {due}"))))
    }
}

fn tenant(id: &TimerId) -> Option<TenantId> {
    TenantId::parse(id.timer_key.split(['/', '#']).next()?).ok()
}

fn found(id: &TimerId, actual: String) -> Found {
    let stream = id.timer_key.rsplit_once('#').and_then(|(stream, _)| StreamId::parse(stream).ok());
    Found {
        kind: Kind::TimerOverdue,
        about: id.timer_key.clone(),
        tenant: tenant(id),
        stream: stream.map(|stream| stream.to_string()),
        place: Place { timer: Some(id.clone()), ..Place::default() },
        expected: "its command was handed in when it was due".to_owned(),
        actual,
    }
}
