//! Given these events, when this command, then those; and what must hold for every policy.

use std::time::Duration;

use kernel::counter::Counter;
use kernel::decider::{Decider, Decision, Guard, Rejection};
use kernel::ids::AggregateId;
use kernel::projection::{Happening, Projection, Tally};
use kernel::timestamp::Timestamp;
use proptest::prelude::*;
use schemars::schema_for;
use serde_json::json;
use spec::{NOW, assert_agrees_with_schema, assert_safe_to_repeat, assert_schemas_match, given, time};

use crate::commands::{AdjustPremium, BindPolicy, CancelPolicy, Command};
use crate::day::Day;
use crate::events::{Event, PolicyBound, PolicyCancelled, PremiumAdjusted, Settlement};
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
        account: None,
    }
}

fn day(text: &str) -> Day {
    Day::parse(text).expect("a day")
}

fn bound() -> Event {
    bound_with(None)
}

fn bound_with(account: Option<AggregateId>) -> Event {
    let BindPolicy { number, holder, premium, currency, from, until, .. } = bind("2026-02-01", "2027-02-01");
    PolicyBound { number, holder, premium, currency, from: day(&from), until: day(&until), account }.into()
}

fn adjust(premium: i64) -> AdjustPremium {
    AdjustPremium { premium }
}

fn adjusted(premium: i64) -> Event {
    PremiumAdjusted { premium, effective: Some(day("2026-02-01")), settlement: None }.into()
}

fn cancelled() -> Event {
    PolicyCancelled { effective: Some(day("2026-02-01")), settlement: None }.into()
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
        let detail = |from, until| {
            crate::decide::decide(&State::Unknown, &bind(from, until).into(), time(NOW)).expect_err("refused").detail
        };
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

mod paying {
    use super::*;

    fn bind_from(account: &str) -> BindPolicy {
        BindPolicy { account: Some(id(account)), ..bind("2026-02-01", "2027-02-01") }
    }

    fn bound() -> Event {
        bound_with(Some(id("A-1")))
    }

    fn adjusted(premium: i64, effective: &str, amount: i64) -> Event {
        PremiumAdjusted { premium, effective: Some(day(effective)), settlement: settlement(amount) }.into()
    }

    fn cancelled(effective: &str, amount: i64) -> Event {
        PolicyCancelled { effective: Some(day(effective)), settlement: settlement(amount) }.into()
    }

    fn settlement(amount: i64) -> Option<Settlement> {
        (amount != 0).then(|| Settlement { account: id("A-1"), amount })
    }

    /// What the decision does to what the account can spend, and refuses to do below zero.
    fn spent(decision: Decision<Event>) -> Vec<i64> {
        let available = Counter { context: "accounts", name: "available/EUR/A-1".to_owned() };
        let adjusts = decision.guards.into_iter().filter_map(|guard| match guard {
            Guard::Adjust { counter, by, at_least, otherwise } if counter == available => {
                assert_eq!((at_least, otherwise.reason), (Some(0), "insufficient-funds"));
                Some(by)
            }
            _ => None,
        });
        adjusts.collect()
    }

    #[test]
    fn the_premium_is_debited_where_the_policy_is_bound() {
        given::<Policies>([]).when(bind_from("A-1")).then([bound()]);
        assert_eq!(spent(given::<Policies>([]).when(bind_from("A-1")).decision()), [-12_900]);
    }

    #[test]
    fn the_account_is_the_holders() {
        let guards = given::<Policies>([]).when(bind_from("A-1")).decision().guards;
        let counter = Counter { context: "accounts", name: "held/H-7/A-1".to_owned() };
        let otherwise = Rejection::new("foreign-account", "The account is not one that H-7 holds");
        assert_eq!(guards[1], Guard::Adjust { counter, by: 0, at_least: Some(1), otherwise });
    }

    #[test]
    fn a_premium_that_changes_is_made_up_for_by_the_days_that_are_left() {
        // Of 365 days, 155 are left from August 30th on: 12,900 × 155 / 365 = 5,478.08, rounded up, and so on.
        for (premium, amount) in [(13_000, -42), (20_000, -3_015), (12_800, 43), (1, 5_478)] {
            let then = || given::<Policies>([bound()]).when_at(time("2026-08-29T23:59:59Z"), adjust(premium));
            then().then([adjusted(premium, "2026-08-30", amount)]);
            assert_eq!(spent(then().decision()), [amount]);
        }
    }

    #[test]
    fn a_refund_is_for_the_days_that_are_left_and_is_rounded_up() {
        for (now, effective, refund) in [
            ("2026-01-01T00:00:00Z", "2026-02-01", 12_900),
            ("2026-01-31T23:59:59Z", "2026-02-01", 12_900),
            ("2026-02-01T00:00:00Z", "2026-02-02", 12_865), // 12,900 × 364 / 365 = 12,864.66
            ("2026-08-29T12:00:00Z", "2026-08-30", 5_479),  // 12,900 × 155 / 365 = 5,478.08
            ("2027-01-30T12:00:00Z", "2027-01-31", 36),     // 12,900 × 1 / 365 = 35.34
            ("2027-01-31T00:00:00Z", "2027-02-01", 0),
            ("2031-01-01T00:00:00Z", "2027-02-01", 0),
        ] {
            let then = || given::<Policies>([bound()]).when_at(time(now), CancelPolicy {});
            then().then([cancelled(effective, refund)]);
            assert_eq!(spent(then().decision()), if refund == 0 { vec![] } else { vec![refund] }, "{now}");
        }
    }

    #[test]
    fn a_change_that_comes_late_reaches_back_no_further_than_the_one_before() {
        given::<Policies>([bound(), adjusted(20_000, "2026-08-30", -3_015)])
            .when_at(time("2026-03-01T00:00:00Z"), CancelPolicy {})
            .then([cancelled("2026-08-30", 8_494)]);
    }

    #[test]
    fn a_policy_that_is_paid_elsewhere_moves_no_money() {
        let then = || given::<Policies>([super::bound()]).when_at(time("2026-08-29T12:00:00Z"), CancelPolicy {});
        then().then([cancelled("2026-08-30", 0)]);
        assert_eq!(then().decision().guards, []);
    }

    /// What an insurer keeps of a policy whose premium changes after so many days, and which is cancelled in the end.
    fn kept(changes: &[(u64, i64)], end: u64) -> i64 {
        let changes = changes.iter().map(|(days, premium)| (*days, Command::from(adjust(*premium))));
        let mut state = Policies::evolve(State::Unknown, &bound());
        let mut kept = 12_900;
        for (days, command) in changes.chain([(end, CancelPolicy {}.into())]) {
            let now = time("2026-01-20T12:00:00Z").plus(Duration::from_hours(24 * days));
            let decision = crate::decide::decide(&state, &command, now).expect("a decision");
            state = decision.events.iter().fold(state, Policies::evolve);
            kept -= spent(decision).iter().sum::<i64>();
        }
        kept
    }

    proptest! {
        #[test]
        fn nobody_gets_back_more_than_was_paid(
            changes in prop::collection::vec((0_u64..400, 1..100_000_i64), 0..6),
            end in 0_u64..400,
        ) {
            prop_assert!(kept(&changes, end) >= 0);
        }

        #[test]
        fn changes_on_the_last_day_insured_cost_nothing(
            premiums in prop::collection::vec(1..100_000_i64, 0..6),
            end in 0_u64..400,
        ) {
            let changes: Vec<_> = premiums.into_iter().map(|premium| (end, premium)).collect();
            prop_assert_eq!(kept(&changes, end), kept(&[], end));
        }
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
        let accounts = prop::option::of("[A-Za-z0-9._~:@-]{1,64}");
        prop_oneof![
            (terms, dates, accounts).prop_map(|((number, holder, premium, currency), (from, until), account)| {
                let account = account.map(|account| id(&account));
                BindPolicy { number, holder: id(&holder), premium, currency, from, until, account }.into()
            }),
            premiums.prop_map(|premium| adjust(premium).into()),
            Just(CancelPolicy {}.into()),
        ]
    }
}
