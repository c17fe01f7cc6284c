//! Given these events, when this command, then those; and what must hold for every policy.

use kernel::decider::{Guard, Rejection};
use kernel::ids::AggregateId;
use kernel::projection::{Happening, Projection, Tally};
use kernel::timestamp::Timestamp;
use proptest::prelude::*;
use schemars::schema_for;
use serde_json::json;
use spec::{assert_agrees_with_schema, assert_safe_to_repeat, assert_schemas_match, given};

use crate::commands::{AdjustPremium, BindPolicy, CancelPolicy, Command};
use crate::events::{Event, PolicyBound, PolicyCancelled, PremiumAdjusted};
use crate::projection::PolicyView;
use crate::state::State;
use crate::{CONTEXT, Policies};

fn id(text: &str) -> AggregateId {
    AggregateId::parse(text).expect("an id")
}

fn bind(from: &str, until: &str) -> BindPolicy {
    BindPolicy {
        number: "HH-2026-0001".to_owned(),
        holder: id("H-7"),
        premium: 12_900,
        currency: "EUR".to_owned(),
        from: from.to_owned(),
        until: until.to_owned(),
    }
}

fn bound() -> Event {
    let BindPolicy { number, holder, premium, currency, from, until } = bind("2026-02-01", "2027-02-01");
    PolicyBound { number, holder, premium, currency, from, until }.into()
}

fn adjust(premium: i64) -> AdjustPremium {
    AdjustPremium { premium }
}

fn adjusted(premium: i64) -> Event {
    PremiumAdjusted { premium }.into()
}

fn cancelled() -> Event {
    PolicyCancelled {}.into()
}

mod binding {
    use super::*;

    #[test]
    fn a_policy_is_bound_once() {
        let bind = || bind("2026-02-01", "2027-02-01");
        given::<Policies>([]).when(bind()).then([bound()]).when(bind()).then_rejected("already-bound");
        given::<Policies>([bound(), cancelled()]).when(bind()).then_rejected("already-bound");
    }

    #[test]
    fn a_policy_claims_its_number() {
        let decision = given::<Policies>([]).when(bind("2026-02-01", "2027-02-01")).decision();
        let otherwise = Rejection::new("number-taken", "Another policy has the number HH-2026-0001");
        let value = "HH-2026-0001".to_owned();
        assert_eq!(decision.guards, [Guard::Claim { name: "policy-number", value, otherwise }]);
    }

    #[test]
    fn a_period_starts_and_then_ends_on_days_of_the_calendar() {
        for (from, until) in [
            ("2026-02-01", "2026-02-01"),
            ("2026-02-01", "2026-01-31"),
            ("2026-02-01", "2026-02-30"),
            ("2026-13-01", "2027-01-01"),
        ] {
            given::<Policies>([]).when(bind(from, until)).then_rejected("impossible-period");
        }
    }

    #[test]
    fn a_period_may_lie_anywhere_in_the_calendar() {
        for (from, until) in [
            ("2026-02-01", "2026-02-02"),
            ("1969-12-31", "1970-01-01"),
            ("1875-06-30", "1969-12-31"),
            ("2024-02-29", "2024-03-01"),
            ("9999-12-30", "9999-12-31"),
        ] {
            assert_eq!(given::<Policies>([]).when(bind(from, until)).decision().events.len(), 1, "{from}");
        }
    }

    #[test]
    fn a_refusal_says_which_date_is_no_day() {
        let detail =
            |from, until| crate::decide::decide(State::Unknown, &bind(from, until).into()).expect_err("refused").detail;
        assert_eq!(detail("2026-02-30", "2027-01-01"), "2026-02-30 is no day of the calendar");
        assert_eq!(detail("2025-02-28", "2025-02-29"), "2025-02-29 is no day of the calendar");
        assert_eq!(detail("2026-02-01", "2026-02-01"), "The period from 2026-02-01 until 2026-02-01 has no day");
    }
}

mod adjusting {
    use super::*;

    #[test]
    fn a_premium_can_be_adjusted_again_and_again() {
        given::<Policies>([bound()])
            .when(adjust(13_500))
            .then([adjusted(13_500)])
            .when(adjust(13_500))
            .then_nothing()
            .when(adjust(12_900))
            .then([adjusted(12_900)]);
    }

    #[test]
    fn a_premium_that_is_so_already_stays_as_it_is() {
        given::<Policies>([bound()]).when(adjust(12_900)).then_nothing();
    }

    #[test]
    fn a_policy_that_nobody_bound_cannot_be_adjusted() {
        given::<Policies>([]).when(adjust(13_500)).then_rejected("unknown-policy");
    }

    #[test]
    fn a_cancelled_policy_cannot_be_adjusted_whatever_it_cost() {
        for premium in [12_900, 13_500] {
            given::<Policies>([bound(), cancelled()]).when(adjust(premium)).then_rejected("policy-cancelled");
        }
    }
}

mod cancelling {
    use super::*;

    #[test]
    fn a_policy_can_be_cancelled_and_cancelled_again() {
        for past in [vec![bound()], vec![bound(), adjusted(13_500)]] {
            given::<Policies>(past).when(CancelPolicy {}).then([cancelled()]).when(CancelPolicy {}).then_nothing();
        }
    }

    #[test]
    fn a_cancelled_policy_keeps_its_number() {
        assert_eq!(given::<Policies>([bound()]).when(CancelPolicy {}).decision().guards, []);
    }

    #[test]
    fn a_policy_that_nobody_bound_cannot_be_cancelled() {
        given::<Policies>([]).when(CancelPolicy {}).then_rejected("unknown-policy");
    }
}

#[test]
fn a_policy_reads_as_it_stands() {
    let happening = |millis| Happening { aggregate: id("P-1"), version: 1, time: Timestamp::from_millis(millis) };
    let document = PolicyView::project(None, &bound(), &happening(1000));
    let document = PolicyView::project(document, &adjusted(13_500), &happening(2000));
    let document = PolicyView::project(document, &cancelled(), &happening(3000)).expect("a document");
    assert_eq!(
        serde_json::to_value(&document).expect("JSON"),
        json!({
            "id": "P-1",
            "status": "cancelled",
            "number": "HH-2026-0001",
            "holder": "H-7",
            "premium": 13500,
            "currency": "EUR",
            "from": "2026-02-01",
            "until": "2027-02-01",
            "boundAt": "1970-01-01T00:00:01.000Z"
        })
    );
    let listing = PolicyView::listing(&document);
    assert_eq!((listing.owner.as_str(), listing.state.as_str()), ("H-7", "cancelled"));
    assert_eq!(PolicyView::tallies(&document), [Tally::of("cancelled", 1).on(document.bound_at)]);
    for event in [adjusted(13_500), cancelled()] {
        assert!(PolicyView::project(None, &event, &happening(1000)).is_none(), "nothing to show without a beginning");
    }
}

mod schemas {
    use super::*;

    #[test]
    fn schema_files_match_the_types() {
        let generated = [
            schema_for!(BindPolicy),
            schema_for!(AdjustPremium),
            schema_for!(CancelPolicy),
            schema_for!(PolicyBound),
            schema_for!(PremiumAdjusted),
            schema_for!(PolicyCancelled),
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
            assert_safe_to_repeat::<Policies>(commands);
        }
    }

    fn commands() -> impl Strategy<Value = Command> {
        let premiums = 1..=1_000_000_000_000_i64;
        let terms = ("[A-Z0-9-]{1,32}", "[A-Za-z0-9._~:@-]{1,64}", premiums.clone(), "[A-Z]{3}");
        let until = prop_oneof!["21[0-9]{2}-0[1-9]-[0-2][0-9]", "[0-9]{4}-[0-9]{2}-[0-9]{2}"];
        let dates = ("20[0-9]{2}-0[1-9]-[0-2][0-9]", until);
        prop_oneof![
            (terms, dates).prop_map(|((number, holder, premium, currency), (from, until))| {
                BindPolicy { number, holder: id(&holder), premium, currency, from, until }.into()
            }),
            premiums.prop_map(|premium| adjust(premium).into()),
            Just(CancelPolicy {}.into()),
        ]
    }
}
