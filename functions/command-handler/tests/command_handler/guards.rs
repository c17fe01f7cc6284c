//! Conditions beyond one aggregate.

use bench::Bench;
use policies::commands::{BindPolicy, CancelPolicy, Command};
use testkit::TABLES;

use crate::probe::{self, Note, Transfer};
use crate::support::strings;

fn bind(number: &str) -> Command {
    BindPolicy {
        number: number.to_owned(),
        holder: kernel::ids::AggregateId::parse("H-7").expect("an id"),
        premium: 12_900,
        currency: "EUR".to_owned(),
        from: "2026-02-01".to_owned(),
        until: "2027-02-01".to_owned(),
        account: None,
    }
    .into()
}

fn cancel() -> Command {
    CancelPolicy {}.into()
}

#[tokio::test(start_paused = true)]
async fn a_number_that_is_taken_rejects_its_command_and_nobody_else() {
    let bench = Bench::of(&policies::CONTEXT);
    bench.send("P-1", "1", bind("N-1")).await;
    bench.deliver().await;
    let taken = bench.send("P-2", "2", bind("N-1")).await;
    let free = bench.send("P-2", "3", bind("N-2")).await;
    let elsewhere = bench.send("P-3", "4", bind("N-3")).await;
    let cancelled = bench.send("P-2", "5", cancel()).await;

    bench.deliver().await;

    assert_eq!(bench.outcome(&taken), "rejected");
    let problem = bench.problem(&taken);
    assert_eq!(problem["type"], "urn:waybill:problem:policies:number-taken");
    assert_eq!(problem["detail"], "Another policy has the number N-1");
    assert_eq!(bench.operations("P-2"), strings(&[free, cancelled]), "decided as if it had never been asked for");
    assert_eq!(bench.operations("P-3"), strings(&[elsewhere]));
}

#[tokio::test(start_paused = true)]
async fn of_two_that_want_the_same_number_one_gets_it() {
    let bench = Bench::of(&policies::CONTEXT);
    let both = [bench.send("P-1", "1", bind("N-1")).await, bench.send("P-2", "2", bind("N-1")).await];

    bench.deliver().await;

    let mut outcomes = both.map(|receipt| bench.outcome(&receipt));
    outcomes.sort();
    assert_eq!(outcomes, ["rejected", "succeeded"]);
    assert_eq!(bench.aws.items(TABLES.guards).len(), 1);
    assert_eq!(bench.events("P-1").len() + bench.events("P-2").len(), 1);
}

fn transfer(from: &str, to: &str, amount: i64) -> probe::Command {
    Transfer { from: from.to_owned(), to: to.to_owned(), amount }.into()
}

#[tokio::test(start_paused = true)]
async fn money_moves_as_a_whole_and_never_beyond_what_is_there() {
    let bench = probe::bench();
    let mut outcomes = Vec::new();
    for (id, command, expected) in [
        ("1", transfer("bank", "mine", 10), "succeeded"),
        ("2", transfer("mine", "yours", 7), "succeeded"),
        ("3", transfer("mine", "yours", 7), "rejected"),
        ("4", Note { text: "n".to_owned() }.into(), "succeeded"),
        ("5", transfer("mine", "yours", 3), "succeeded"),
    ] {
        outcomes.push((bench.send("A", id, command).await, expected));
    }

    bench.deliver().await;

    for (receipt, expected) in &outcomes {
        assert_eq!(bench.outcome(receipt), *expected, "{:?}", bench.record(receipt));
    }
    let amounts: Vec<_> = bench.aws.items(TABLES.guards).iter().map(|item| item["amount"].clone()).collect();
    assert_eq!(amounts, [-10, 0, 10], "of the bank, mine and yours");
    assert_eq!(bench.events("A").len(), 4);
}

#[tokio::test(start_paused = true)]
async fn of_several_conditions_that_do_not_hold_the_first_says_why() {
    let bench = Bench::of(&policies::CONTEXT);
    bench.send("P-1", "1", bind("N-1")).await;
    bench.deliver().await;
    let account = Some(kernel::ids::AggregateId::parse("A-1").expect("an id"));
    let command = |number: &str| match bind(number) {
        Command::BindPolicy(command) => Command::from(BindPolicy { account: account.clone(), ..command }),
        other => other,
    };
    let taken = bench.send("P-2", "2", command("N-1")).await;
    let foreign = bench.send("P-2", "3", command("N-2")).await;

    bench.deliver().await;

    assert_eq!(bench.problem(&taken)["type"], "urn:waybill:problem:policies:number-taken");
    assert_eq!(bench.problem(&foreign)["type"], "urn:waybill:problem:policies:foreign-account");
}

#[tokio::test(start_paused = true)]
async fn a_repeated_transfer_moves_nothing() {
    let bench = probe::bench();
    bench.send("A", "1", transfer("bank", "mine", 10)).await;
    let once = bench.send("A", "2", transfer("mine", "yours", 7)).await;
    for _ in 0..2 {
        bench.deliver().await;
        bench.send("A", "2", transfer("mine", "yours", 7)).await;
    }
    bench.deliver().await;
    assert_eq!(bench.outcome(&once), "succeeded", "though its money is no longer there");
    let amounts: Vec<_> = bench.aws.items(TABLES.guards).iter().map(|item| item["amount"].clone()).collect();
    assert_eq!(amounts, [-10, 3, 7]);
}
