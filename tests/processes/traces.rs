//! The trace of a long process: loans are paid back in instalments, each debited by another context.

use bench::platform::{RECEIPT_KEY, environment, receipt_secret, register_client, register_operator, register_tenant};
use bench::{Answer, Installation, Request};
use kernel::context::Context;
use kernel::decider::{Decider, Decision, Metadata, Rejection};
use kernel::effect::Effect;
use kernel::ids::AggregateId;
use kernel::peers::{Heard, Hears, Recipient, Refusal, Sends};
use kernel::projection::{Filters, Happening, Listing, Projection};
use kernel::timestamp::Timestamp;
use operator::Desk;
use query::Query;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use trace::{MOST_CALLS, MOST_COMMANDS, MOST_LEVELS};

use crate::probe::{self, Dispatch, parcels};

static CONTEXTS: &[Context] = &[
    Context::of::<Debits>("debits", &[&DebitView]),
    Context::of::<Loans>("loans", &[&LoanView])
        .hearing(&[Heard::of::<OfDebits>("debits")])
        .sending(&[Recipient::of::<ToDebits>("debits")]),
];

macro_rules! payloads {
    ($($name:ident { $($field:ident: $ty:ty),* })+) => {
        $(#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
        struct $name { $($field: $ty),* })+
    };
}

payloads! {
    Grant { instalments: u32, at_once: bool }
    Granted { instalments: u32 }
    Debit { left: u32 }
    Debited { left: u32 }
    NotePayment { left: u32 }
    Paid { left: u32 }
}

mod loans {
    use super::{Grant, Granted, NotePayment, Paid};
    kernel::messages! {
        pub(super) enum Command { Grant(Grant) = 1, #[internal] NotePayment(NotePayment) = 1 }
    }
    kernel::messages! {
        pub(super) enum Event { Granted(Granted) = 1, Paid(Paid) = 1 }
    }
}

mod debits {
    use super::{Debit, Debited};
    kernel::messages! {
        pub(super) enum Command { #[internal] Debit(Debit) = 1 }
    }
    kernel::messages! {
        pub(super) enum Event { Debited(Debited) = 1 }
    }
}

struct Loans;
struct Debits;
struct OfDebits;
struct ToDebits;
struct LoanView;
struct DebitView;

impl Decider for Loans {
    type Command = loans::Command;
    type Event = loans::Event;
    type State = ();

    fn decide((): &(), command: &loans::Command, metadata: &Metadata) -> Result<Decision<loans::Event>, Rejection> {
        let loan = &metadata.aggregate;
        let debit = |of: &AggregateId, left| Effect::send(of, debits::Command::from(Debit { left }));
        Ok(match command {
            loans::Command::Grant(Grant { instalments, at_once: true }) => {
                let nth = |nth| AggregateId::parse(&format!("{loan}.{nth}")).expect("an id");
                let granted = Decision::of(Granted { instalments: *instalments });
                (1..=*instalments).fold(granted, |decision, number| decision.causing(debit(&nth(number), 0)))
            }
            loans::Command::Grant(Grant { instalments, .. }) => {
                Decision::of(Granted { instalments: *instalments }).causing(debit(loan, instalments - 1))
            }
            loans::Command::NotePayment(NotePayment { left: 0 }) => Decision::of(Paid { left: 0 }),
            loans::Command::NotePayment(NotePayment { left }) => {
                Decision::of(Paid { left: *left }).causing(debit(loan, left - 1))
            }
        })
    }

    fn evolve((): (), _: &loans::Event) {}
}

impl Decider for Debits {
    type Command = debits::Command;
    type Event = debits::Event;
    type State = ();

    fn decide((): &(), command: &debits::Command, _: &Metadata) -> Result<Decision<debits::Event>, Rejection> {
        let debits::Command::Debit(Debit { left }) = command;
        Ok(Decision::of(Debited { left: *left }))
    }

    fn evolve((): (), _: &debits::Event) {}
}

impl Hears for OfDebits {
    type Event = debits::Event;
    type Command = loans::Command;

    fn hear(event: debits::Event, happening: &Happening) -> Option<(AggregateId, loans::Command)> {
        let debits::Event::Debited(Debited { left }) = event;
        Some((happening.aggregate.clone(), NotePayment { left }.into()))
    }
}

impl Sends for ToDebits {
    type Sent = debits::Command;
    type Command = loans::Command;

    fn refused(_: Refusal<'_>) -> Option<loans::Command> {
        None
    }
}

/// Nothing projects in these tests.
macro_rules! views {
    ($($view:ident of $event:ty as $collection:literal)+) => {
        $(impl Projection for $view {
            type Event = $event;
            type Document = u64;
            const COLLECTION: &'static str = $collection;
            const FILTERS: Filters = Filters { owner: "owner", state: "state" };

            fn project(_: Option<u64>, _: &$event, happening: &Happening) -> Option<u64> {
                Some(happening.version)
            }

            fn listing(_: &u64) -> Listing {
                Listing { owner: String::new(), state: String::new(), time: Timestamp::from_millis(0) }
            }
        })+
    };
}

views! {
    LoanView of loans::Event as "loans"
    DebitView of debits::Event as "debits"
}

/// What a client reads of a loan, once all is done; and how many calls of DynamoDB that took.
async fn traced(grant: Grant) -> (Value, usize) {
    let it = Installation::of(CONTEXTS);
    it.aws.put_secret(&receipt_secret(), RECEIPT_KEY);
    register_client(&it.aws, "shop", "acme");
    register_tenant(&it.aws, "acme", &json!({}));
    let receipt = it.send("loans", "L-1", "grant", loans::Command::from(grant)).await;
    it.settle().await;
    let query = Query::from_environment(&environment(), it.aws.dynamodb(), it.aws.secrets_manager());
    let mut query = query.expect("settings");
    query.tracer.contexts = CONTEXTS;
    let ask = async || -> Answer {
        let target = format!("/operations/{receipt}/trace");
        let request = Request::get(target).by(bench::http::client("shop", "waybill/read"));
        request.answered(|request| query.handle(request, it.now())).await.ok()
    };
    // Who asks, and what is granted, is known then.
    ask().await;
    it.aws.forget_calls();
    let told = ask().await.json();
    let calls = it.aws.calls();
    (told, calls.len())
}

/// The commands level by level: how many there are in each.
fn levels(told: &Value) -> Vec<usize> {
    let mut level = vec![told];
    let mut counts = Vec::new();
    while !level.is_empty() {
        counts.push(level.len());
        level = level.iter().flat_map(|line| line["caused"].as_array().expect("a list")).collect();
    }
    counts
}

fn all<'a>(line: &'a Value, found: &mut Vec<&'a Value>) {
    found.push(line);
    for caused in line["caused"].as_array().expect("a list") {
        all(caused, found);
    }
}

#[tokio::test(start_paused = true)]
async fn a_process_of_twenty_commands_is_traced_whole_in_a_few_calls_a_level() {
    for (instalments, at_once, expected) in [(10, false, vec![1; 21]), (12, true, vec![1, 12, 12])] {
        let (told, calls) = traced(Grant { instalments, at_once }).await;
        let levels = levels(&told);
        assert_eq!(levels, expected);
        assert!(levels.iter().sum::<usize>() >= 20);
        assert!(calls <= MOST_CALLS * levels.len(), "{calls} calls for {} levels", levels.len());
        assert_eq!((&told["complete"], &told["withheld"]), (&json!(true), &json!(false)));
        let mut lines = Vec::new();
        all(&told, &mut lines);
        for line in lines {
            assert_eq!(line["operation"]["status"], "succeeded", "{line:#}");
            assert_eq!(line["events"].as_array().map(Vec::len), Some(1), "{line:#}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_trace_has_its_bounds_and_says_so() {
    let (told, calls) = traced(Grant { instalments: 30, at_once: false }).await;
    assert_eq!((levels(&told), &told["complete"]), (vec![1; MOST_LEVELS], &json!(false)));
    assert!(calls <= MOST_CALLS * MOST_LEVELS, "{calls}");
    let (told, calls) = traced(Grant { instalments: 150, at_once: true }).await;
    assert_eq!((levels(&told).iter().sum::<usize>(), &told["complete"]), (MOST_COMMANDS, &json!(false)));
    assert!(calls <= MOST_CALLS * 3, "{calls}");
}

#[tokio::test(start_paused = true)]
async fn a_command_that_was_refused_shows_with_what_its_sender_was_told() {
    let it = crate::installation();
    it.aws.put_secret(&receipt_secret(), RECEIPT_KEY);
    register_operator(&it.aws, "client:desk", Some("acme"));
    let dispatch = parcels::Command::from(Dispatch { days: 0 });
    let receipt = it.send("parcels", "held-1", "dispatch", dispatch).await;
    it.settle().await;
    let (secrets, cloudwatch) = (it.aws.secrets_manager(), it.aws.cloudwatch());
    let desk = Desk::from_environment(&environment(), it.aws.dynamodb(), it.aws.sqs(), secrets, cloudwatch);
    let mut desk = desk.expect("settings");
    desk.tracer.contexts = probe::CONTEXTS;
    let request = Request::get(format!("/traces/{receipt}")).by(bench::http::client("desk", "waybill/operate"));
    let told = request.answered(|request| desk.handle(request, it.now())).await.ok().json();
    let mut lines = Vec::new();
    all(&told, &mut lines);
    let shown: Vec<_> = lines
        .iter()
        .map(|line| ["type", "cause"].map(|name| line[name].as_str().unwrap_or_default()))
        .zip(lines.iter().map(|line| line["operation"]["status"].as_str().unwrap_or_default()))
        .collect();
    let expected = [
        (["", ""], "succeeded"),
        (["Watch", "heard"], "succeeded"),
        (["Release", "sent"], "rejected"),
        (["NoteRefusal", "refusal"], "succeeded"),
    ];
    assert_eq!(shown, expected, "{told:#}");
    assert_eq!(lines[2]["operation"]["error"]["detail"], "Customs hold the parcel");
    assert_eq!((&lines[3]["cancelled"], &told["complete"]), (&json!(["release"]), &json!(true)));
}
