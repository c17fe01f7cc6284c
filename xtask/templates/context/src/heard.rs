//! What is heard of __others__. A beginning: declare the events that you need, with the members that you need of them.

use kernel::ids::AggregateId;
use kernel::peers::Hears;
use kernel::projection::Happening;
use serde::{Deserialize, Serialize};

use crate::commands::{Command, Open__Name__};

kernel::messages! {
    pub enum Heard in "__others__" {
        __Event__(__Event__) = __version__,
    }
}

/// Of what the event says, what is needed here: nothing yet.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct __Event__ {}

/// Each of these events opens a __name__ under the id of the aggregate that it happened to.
pub struct From__Others__;

impl Hears for From__Others__ {
    type Event = Heard;
    type Command = Command;

    fn hear(Heard::__Event__(__Event__ {}): Heard, happening: &Happening) -> Option<(AggregateId, Command)> {
        let title = format!("After __Event__ of {}", happening.aggregate);
        Some((happening.aggregate.clone(), Open__Name__ { title }.into()))
    }
}

#[cfg(test)]
mod tests {
    use kernel::timestamp::Timestamp;

    use super::*;

    #[test]
    fn what_is_heard_opens_one() {
        let aggregate = AggregateId::parse("A-1").expect("an id");
        let happening = Happening { aggregate: aggregate.clone(), version: 1, time: Timestamp::from_millis(0) };
        let title = "After __Event__ of A-1".to_owned();
        let opened = Some((aggregate, Command::from(Open__Name__ { title })));
        assert_eq!(From__Others__::hear(__Event__ {}.into(), &happening), opened);
    }
}
