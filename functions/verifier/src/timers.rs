//! Timers that are long due, and still set.

use kernel::ids::{StreamId, TenantId};
use store::StoreError;
use store::findings::{Found, Kind, Place};
use store::jobs::Segment;
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
                let (waiting, next) = self.timers.to_look_at(part, patience.never(), PAGE, start).await?;
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
        let again = |id: TimerId| async move {
            let timer = self.timers.find(&id).await?;
            Ok(timer.map(|Timer { id, due, .. }| found(&id, format!("due {due}"))).into_iter().collect())
        };
        Ok((self.twice(judged, again).await?, items))
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
