//! The subscriber `__name__`: what follows from domain events. So far it measures how long streams are; put your own in the
//! place of that.

use std::convert::Infallible;

use kernel::domain_event::RecordedEvent;
use subscriber::Subscriber;

/// The length that each event's stream had with it.
const STREAM_LENGTH: &str = "StreamLength";

/// Handles events.
pub struct __Name__;

impl Subscriber for __Name__ {
    /// Why an event is to come again. Nothing can fail yet.
    type Error = Infallible;

    /// An event may come twice, late, or before an earlier one of its stream. The longest of the lengths is the same for
    /// all that; a count of events would not be. What must happen once goes by the event's [id](RecordedEvent::id): an item
    /// that is written if there is none with this id, or a call that others know by it.
    async fn handle(&self, event: &RecordedEvent) -> Result<(), Infallible> {
        let length = u32::try_from(event.version).unwrap_or(u32::MAX);
        metrics::histogram!(STREAM_LENGTH).record(length);
        Ok(())
    }
}
