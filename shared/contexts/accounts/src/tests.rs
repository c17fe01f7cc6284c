//! Given these events, when this command, then those; and what must hold for every account.

use kernel::decider::Guard;
use kernel::ids::AggregateId;
use kernel::message::Message;
use kernel::money::Money;
use kernel::projection::{Happening, Projection, Tally};
use kernel::timestamp::Timestamp;
use proptest::prelude::*;
use schemars::schema_for;
use serde_json::json;
use spec::{assert_agrees_with_schema, assert_safe_to_repeat, assert_schemas_match, given};

use crate::commands::{Command, Counterparty, DepositMoney, OpenAccount, RecordPosting, TransferMoney};
use crate::events::{AccountOpened, Event, MoneyDeposited, MoneyTransferred, PostingRecorded};
use crate::projection::{AccountView, Document};
use crate::{Accounts, CONTEXT};

fn id(text: &str) -> AggregateId {
    AggregateId::parse(text).expect("an id")
}

fn money(amount: i64, currency: &str) -> Money {
    Money { amount, currency: currency.to_owned() }
}

fn open(overdraft: i64) -> OpenAccount {
    OpenAccount { holder: id("H-7"), currency: "EUR".to_owned(), overdraft }
}

fn opened(overdraft: i64) -> Event {
    AccountOpened { holder: id("H-7"), currency: "EUR".to_owned(), overdraft }.into()
}

fn deposit(amount: i64) -> DepositMoney {
    DepositMoney { amount: money(amount, "EUR") }
}

fn deposited(amount: i64) -> Event {
    MoneyDeposited { amount: money(amount, "EUR") }.into()
}

fn transfer(to: &str, amount: i64) -> TransferMoney {
    TransferMoney { to: id(to), amount: money(amount, "EUR") }
}

fn transferred(to: &str, amount: i64) -> Event {
    MoneyTransferred { to: id(to), amount: money(amount, "EUR") }.into()
}

fn record(amount: i64) -> RecordPosting {
    RecordPosting { amount, counterparty: Counterparty::Account(id("A-2")), version: 3 }
}

fn recorded(amount: i64) -> Event {
    PostingRecorded { amount, counterparty: Counterparty::Account(id("A-2")) }.into()
}

/// The counters that a decision moves: each by how much, to at least how much, and why not.
fn moves(guards: &[Guard]) -> Vec<(&str, i64, Option<i64>, &str)> {
    let moved = guards.iter().map(|guard| match guard {
        Guard::Adjust { counter, by, at_least, otherwise } => {
            assert_eq!(counter.context, "accounts");
            (counter.name.as_str(), *by, *at_least, otherwise.reason)
        }
        other => panic!("a counter, not {other:?}"),
    });
    moved.collect()
}

mod opening {
    use super::*;

    #[test]
    fn an_account_is_opened_once() {
        given::<Accounts>([]).when(open(0)).then([opened(0)]).when(open(0)).then_rejected("already-open");
    }

    #[test]
    fn an_account_can_spend_its_overdraft_from_the_start() {
        let decision = given::<Accounts>([]).when(open(5_000)).decision();
        assert_eq!(
            moves(&decision.guards),
            [
                ("open/EUR/A-1", 1, Some(1), "unknown-payee"),
                ("held/H-7/A-1", 1, None, "already-open"),
                ("available/EUR/A-1", 5_000, Some(0), "insufficient-funds"),
            ]
        );
    }

    #[test]
    fn money_cannot_move_where_no_account_is() {
        given::<Accounts>([]).when(deposit(1)).then_rejected("unknown-account");
        given::<Accounts>([]).when(transfer("A-2", 1)).then_rejected("unknown-account");
        given::<Accounts>([]).when(record(1)).then_rejected("unknown-account");
    }
}

mod moving {
    use super::*;

    #[test]
    fn each_deposit_is_one() {
        let once = given::<Accounts>([opened(0)]).when(deposit(300)).then([deposited(300)]);
        once.when(deposit(300)).then([deposited(300)]);
        let decision = given::<Accounts>([opened(0)]).when(deposit(300)).decision();
        assert_eq!(moves(&decision.guards), [("available/EUR/A-1", 300, Some(0), "insufficient-funds")]);
    }

    #[test]
    fn a_transfer_debits_one_account_and_credits_another() {
        given::<Accounts>([opened(0)]).when(transfer("A-2", 300)).then([transferred("A-2", 300)]);
        let decision = given::<Accounts>([opened(0)]).when(transfer("A-2", 300)).decision();
        assert_eq!(
            moves(&decision.guards),
            [
                ("open/EUR/A-2", 0, Some(1), "unknown-payee"),
                ("available/EUR/A-1", -300, Some(0), "insufficient-funds"),
                ("available/EUR/A-2", 300, Some(0), "insufficient-funds"),
            ]
        );
    }

    #[test]
    fn an_account_cannot_pay_itself() {
        given::<Accounts>([opened(0)]).when(transfer("A-1", 300)).then_rejected("same-account");
    }

    #[test]
    fn what_moves_is_something_of_the_accounts_currency() {
        for (amount, reason) in
            [(money(300, "USD"), "other-currency"), (money(0, "EUR"), "no-amount"), (money(-300, "EUR"), "no-amount")]
        {
            given::<Accounts>([opened(0)]).when(DepositMoney { amount: amount.clone() }).then_rejected(reason);
            given::<Accounts>([opened(0)]).when(TransferMoney { to: id("A-2"), amount }).then_rejected(reason);
        }
    }

    #[test]
    fn what_others_have_moved_is_recorded_once() {
        for amount in [300, -300] {
            given::<Accounts>([opened(0)]).when(record(amount)).then([recorded(amount)]);
            let decision = given::<Accounts>([opened(0)]).when(record(amount)).decision();
            let once = ("recorded/A-1/account/A-2/3", -1, Some(-1), "already-recorded");
            assert_eq!(moves(&decision.guards), [once]);
        }
    }
}

mod hearing {
    use kernel::peers::Hears;
    use serde_json::Value;

    use super::*;
    use crate::heard::{FromAccounts, FromPolicies};

    /// Which account records how much, and of whose event.
    fn heard<H: Hears<Command = Command>>(ty: &str, data: &Value) -> Option<(String, i64, Counterparty, u64)> {
        let event = H::Event::decode(ty, 1, &data.to_string()).expect("an event");
        let happening = Happening { aggregate: id("X-1"), version: 3, time: Timestamp::from_millis(0) };
        let (account, command) = H::hear(event, &happening)?;
        let Command::RecordPosting(RecordPosting { amount, counterparty, version }) = command else {
            panic!("a posting, not {command:?}")
        };
        Some((account.to_string(), amount, counterparty, version))
    }

    #[test]
    fn the_account_that_gets_a_transfer_records_it() {
        let data = json!({ "to": "A-1", "amount": { "amount": 300, "currency": "EUR" } });
        let credit = ("A-1".to_owned(), 300, Counterparty::Account(id("X-1")), 3);
        assert_eq!(heard::<FromAccounts>("MoneyTransferred", &data), Some(credit));
    }

    #[test]
    fn the_account_of_a_policy_records_what_that_has_moved() {
        let posting = |amount| Some(("A-1".to_owned(), amount, Counterparty::Policy(id("X-1")), 3));
        let settlement = |amount: i64| json!({ "settlement": { "account": "A-1", "amount": amount } });
        let bound = json!({ "premium": 12_900, "account": "A-1" });
        assert_eq!(heard::<FromPolicies>("PolicyBound", &bound), posting(-12_900));
        assert_eq!(heard::<FromPolicies>("PremiumAdjusted", &settlement(-42)), posting(-42));
        assert_eq!(heard::<FromPolicies>("PolicyCancelled", &settlement(36)), posting(36));
    }

    #[test]
    fn a_policy_that_is_paid_elsewhere_is_nobodys_posting() {
        for (ty, data) in
            [("PolicyBound", json!({ "premium": 1 })), ("PremiumAdjusted", json!({})), ("PolicyCancelled", json!({}))]
        {
            assert_eq!(heard::<FromPolicies>(ty, &data), None);
        }
    }
}

mod reading {
    use super::*;

    fn read(events: &[Event]) -> Option<Document> {
        events.iter().zip(1_u64..).try_fold(None, |document, (event, version)| {
            let time = Timestamp::from_millis(version * 1000);
            AccountView::project(document, event, &Happening { aggregate: id("A-1"), version, time }).map(Some)
        })?
    }

    #[test]
    fn an_account_reads_as_it_stands() {
        let past = [opened(5_000), deposited(300), transferred("A-2", 1_000), recorded(250)];
        let document = read(&past).expect("a document");
        let json = serde_json::to_value(&document).expect("JSON");
        assert_eq!(
            json,
            json!({
                "id": "A-1",
                "status": "overdrawn",
                "holder": "H-7",
                "currency": "EUR",
                "overdraft": 5_000,
                "balance": -450,
                "openedAt": "1970-01-01T00:00:01.000Z",
                "updatedAt": "1970-01-01T00:00:04.000Z"
            })
        );
        assert_eq!(serde_json::from_value::<Document>(json).expect("a document"), document);
    }

    #[test]
    fn accounts_are_listed_and_counted_by_holder_and_status() {
        for (by, status) in [(-1, "overdrawn"), (0, "in-credit"), (1, "in-credit")] {
            let document = read(&[opened(5_000), recorded(by)]).expect("a document");
            let listing = AccountView::listing(&document);
            assert_eq!((listing.owner.as_str(), listing.state.as_str()), ("H-7", status));
            let opened = Timestamp::from_millis(1000);
            let tallies = [Tally::of(status, 1).on(opened), Tally::of("balance:EUR", by)];
            assert_eq!(AccountView::tallies(&document), tallies);
        }
    }

    #[test]
    fn nothing_can_be_read_of_an_account_whose_beginning_is_missing() {
        for event in [deposited(1), transferred("A-2", 1), recorded(1)] {
            assert_eq!(read(&[event]), None);
        }
    }
}

mod schemas {
    use super::*;

    #[test]
    fn schema_files_match_the_types() {
        let generated = [
            schema_for!(OpenAccount),
            schema_for!(DepositMoney),
            schema_for!(TransferMoney),
            schema_for!(RecordPosting),
            schema_for!(AccountOpened),
            schema_for!(MoneyDeposited),
            schema_for!(MoneyTransferred),
            schema_for!(PostingRecorded),
        ];
        assert_schemas_match(&CONTEXT, generated.map(Into::into));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn schemas_and_types_accept_the_same(command in commands()) {
            assert_agrees_with_schema(&command);
        }

        #[test]
        fn an_account_is_safe_to_open_again(holder in IDS, currency in CURRENCIES, overdraft in 0..=MOST) {
            assert_safe_to_repeat::<Accounts>([OpenAccount { holder: id(&holder), currency, overdraft }.into()]);
        }
    }

    const IDS: &str = "[A-Za-z0-9._~:@-]{1,64}";
    const CURRENCIES: &str = "[A-Z]{3}";
    const MOST: i64 = 1_000_000_000_000;

    fn commands() -> impl Strategy<Value = Command> {
        let amounts = || (0..=MOST, CURRENCIES).prop_map(|(amount, currency)| Money { amount, currency });
        let counterparty = (any::<bool>(), IDS).prop_map(|(account, other)| {
            let other = id(&other);
            if account { Counterparty::Account(other) } else { Counterparty::Policy(other) }
        });
        prop_oneof![
            (IDS, CURRENCIES, 0..=MOST).prop_map(|(holder, currency, overdraft)| {
                OpenAccount { holder: id(&holder), currency, overdraft }.into()
            }),
            amounts().prop_map(|amount| DepositMoney { amount }.into()),
            (IDS, amounts()).prop_map(|(to, amount)| TransferMoney { to: id(&to), amount }.into()),
            (-MOST..=MOST, counterparty, any::<u64>()).prop_map(|(amount, counterparty, version)| RecordPosting {
                amount,
                counterparty,
                version
            }
            .into()),
        ]
    }
}
