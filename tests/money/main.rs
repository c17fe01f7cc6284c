//! No account is off by a cent, and none is overdrawn: deposits, transfers and policies in random order, with repeats and
//! faults, through all the functions that carry them out.

mod bank;

use bank::Bank;
use serde_json::Value;
use testkit::{Attempt, Aws};

/// Runs this many seeds, each on virtual time.
fn for_seeds(seeds: u64, run: impl AsyncFn(Bank)) {
    for seed in 0..seeds {
        println!("seed {seed}");
        fastrand::seed(seed);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
        runtime.expect("a runtime").block_on(async { run(Bank::open(seed).await).await });
    }
}

#[test]
fn no_account_is_off_by_a_cent() {
    for_seeds(4, async |mut bank| {
        for _ in 0..4 {
            bank.serve().await;
            bank.close_for_days().await;
        }
        bank.assert_the_books_balance();
        bank.assert_much_has_happened();
    });
}

#[test]
fn no_account_is_off_by_a_cent_whatever_fails() {
    for_seeds(4, async |mut bank| {
        bank.let_everything_fail();
        for _ in 0..4 {
            bank.serve().await;
            bank.close_for_days().await;
        }
        bank.it.aws.heal();
        bank.it.aws.settle();
        bank.close_for_days().await;
        bank.assert_the_books_balance();
    });
}

#[test]
fn what_is_heard_again_when_nobody_remembers_it_is_recorded_once() {
    for_seeds(1, async |mut bank| {
        bank.serve().await;
        bank.live_it_all_again().await;
        bank.assert_the_books_balance();
    });
}

/// From here on, transactions do not ask the conditions of counters whose keys have this in them.
fn ask_nothing_of(aws: &Aws, counters: &'static str) {
    aws.rewrite(move |attempt: &Attempt<'_>| {
        let mut body: Value = serde_json::from_str(attempt.body).ok()?;
        for action in body["TransactItems"].as_array_mut()? {
            let Some(update) = action.get_mut("Update").and_then(Value::as_object_mut) else { continue };
            if update["Key"].to_string().contains(counters) {
                update.remove("ConditionExpression");
                let values = update["ExpressionAttributeValues"].as_object_mut()?;
                values.retain(|name, _| name == ":by");
            }
        }
        Some(body.to_string())
    });
}

#[test]
#[should_panic(expected = "is overdrawn")]
fn a_debit_without_its_bound_is_noticed() {
    for_seeds(1, async |mut bank| {
        ask_nothing_of(&bank.it.aws, "#counter#available/");
        bank.serve().await;
        bank.assert_the_books_balance();
    });
}

#[test]
#[should_panic(expected = "and has recorded")]
fn a_posting_that_is_recorded_again_is_noticed() {
    for_seeds(1, async |mut bank| {
        bank.serve().await;
        ask_nothing_of(&bank.it.aws, "#counter#recorded/");
        bank.live_it_all_again().await;
        bank.assert_the_books_balance();
    });
}
