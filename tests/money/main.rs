//! No account is off by a cent, and none is overdrawn: deposits, transfers and policies in random order, with repeats and
//! faults, through the handlers of both contexts and the listener between them.

mod bank;
mod books;

use bank::Bank;
use testkit::{Attempt, TABLES};

/// Runs this many seeds, on virtual time.
fn for_seeds(seeds: u64, run: impl AsyncFn(u64)) {
    for seed in 0..seeds {
        println!("seed {seed}");
        fastrand::seed(seed);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
        runtime.expect("a runtime").block_on(run(seed));
    }
}

#[test]
fn no_account_is_off_by_a_cent() {
    for_seeds(6, async |seed| {
        let mut bank = Bank::open(seed).await;
        for _ in 0..4 {
            bank.serve().await;
            bank.close_for_days().await;
        }
        bank.books().assert_they_balance();
        bank.assert_much_has_happened();
    });
}

#[test]
fn no_account_is_off_by_a_cent_whatever_fails() {
    for_seeds(6, async |seed| {
        let mut bank = Bank::open(seed).await;
        bank.let_everything_fail();
        for _ in 0..4 {
            bank.serve().await;
            bank.close_for_days().await;
        }
        bank.books().assert_they_balance();
    });
}

/// Takes the condition away from whatever a transaction puts or updates in this table.
fn without_conditions(table: &'static str) -> impl FnMut(&Attempt<'_>) -> Option<String> + Send {
    move |attempt| {
        let mut body: serde_json::Value = serde_json::from_str(attempt.body).ok()?;
        for action in body["TransactItems"].as_array_mut()? {
            for kind in ["Put", "Update"] {
                let action = action.get_mut(kind).filter(|action| action["TableName"] == table);
                let Some(action) = action.and_then(serde_json::Value::as_object_mut) else { continue };
                action.remove("ConditionExpression");
                let values = action.get_mut("ExpressionAttributeValues").and_then(serde_json::Value::as_object_mut);
                if let Some(values) = values {
                    values.retain(|name, _| name == ":by");
                }
                if kind == "Put" {
                    action.remove("ExpressionAttributeValues");
                }
            }
        }
        Some(body.to_string())
    }
}

#[test]
#[should_panic(expected = "is overdrawn")]
fn a_debit_without_its_bound_is_noticed() {
    for_seeds(3, async |seed| {
        let mut bank = Bank::open(seed).await;
        bank.aws.rewrite(without_conditions(TABLES.guards));
        bank.serve().await;
        bank.books().assert_they_balance();
    });
}

#[test]
#[should_panic(expected = "has recorded")]
fn a_posting_that_is_recorded_twice_is_noticed() {
    for_seeds(3, async |seed| {
        let mut bank = Bank::open(seed).await;
        bank.aws.rewrite(without_conditions(TABLES.operations));
        bank.serve().await;
        bank.books().assert_they_balance();
    });
}
