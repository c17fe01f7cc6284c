//! Given these events, when this command, then those; and what must always hold.

use kernel::ids::AggregateId;
use kernel::projection::{Happening, Projection, Tally};
use kernel::timestamp::Timestamp;
use proptest::prelude::*;
use schemars::schema_for;
use serde_json::json;
use spec::{assert_agrees_with_schema, assert_safe_to_repeat, assert_schemas_match, given};

use crate::commands::{Close__Name__, Command, Open__Name__};
use crate::events::{Event, __Name__Closed, __Name__Opened};
use crate::projection::__Name__View;
use crate::{CONTEXT, __Names__};

fn open() -> Open__Name__ {
    Open__Name__ { title: "The first one".to_owned() }
}

fn opened() -> Event {
    __Name__Opened { title: "The first one".to_owned(), opened_by: "somebody".to_owned() }.into()
}

fn closed() -> Event {
    __Name__Closed {}.into()
}

#[test]
fn it_is_opened_once() {
    given::<__Names__>([]).when(open()).then([opened()]).when(open()).then_rejected("already-open");
}

#[test]
fn it_can_be_closed_and_closed_again() {
    given::<__Names__>([opened()]).when(Close__Name__ {}).then([closed()]).when(Close__Name__ {}).then_nothing();
}

#[test]
fn what_nobody_opened_cannot_be_closed() {
    given::<__Names__>([]).when(Close__Name__ {}).then_rejected("unknown");
}

#[test]
fn it_reads_as_it_stands() {
    let aggregate = AggregateId::parse("1").expect("an id");
    let happening = |version| Happening { aggregate: aggregate.clone(), version, time: Timestamp::from_millis(0) };
    let document = __Name__View::project(None, &opened(), &happening(1));
    let document = __Name__View::project(document, &closed(), &happening(2)).expect("a document");
    assert_eq!(
        serde_json::to_value(&document).expect("JSON"),
        json!({
            "id": "1",
            "status": "closed",
            "title": "The first one",
            "openedBy": "somebody",
            "openedAt": "1970-01-01T00:00:00.000Z"
        })
    );
    assert_eq!(__Name__View::tallies(&document), [Tally::of("closed", 1).on(document.opened_at)]);
    assert_eq!(__Name__View::project(None, &closed(), &happening(1)), None);
}

mod schemas {
    use super::*;

    #[test]
    fn schema_files_match_the_types() {
        let generated = [
            schema_for!(Open__Name__),
            schema_for!(Close__Name__),
            schema_for!(__Name__Opened),
            schema_for!(__Name__Closed),
        ];
        assert_schemas_match(&CONTEXT, generated.map(Into::into));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn schemas_and_types_accept_the_same(command in commands()) {
            assert_agrees_with_schema(&command);
        }
    }

    proptest! {
        #[test]
        fn every_command_is_safe_to_repeat(commands in prop::collection::vec(commands(), 0..12)) {
            assert_safe_to_repeat::<__Names__>(commands);
        }
    }

    fn commands() -> impl Strategy<Value = Command> {
        let title = prop::collection::vec(any::<char>(), 1..=200).prop_map(String::from_iter);
        prop_oneof![title.prop_map(|title| Open__Name__ { title }.into()), Just(Close__Name__ {}.into())]
    }
}
