//! Guards: conditions beyond one aggregate, in the same transaction.

use kernel::counter::Counter;
use kernel::decider::{Guard, Rejection};
use serde_json::{Value, json};
use store::{CommitError, Entry, Refusal};
use testkit::TABLES;

use crate::probe;
use crate::world::{World, entry, stream};

fn claim(value: &str) -> Guard {
    let otherwise = Rejection::new("taken", format!("{value} belongs to another"));
    Guard::Claim { name: "number", value: value.to_owned(), otherwise }
}

fn release(value: &str) -> Guard {
    Guard::Release { name: "number", value: value.to_owned() }
}

fn adjust(counter: &str, by: i64, at_least: Option<i64>) -> Guard {
    adjust_of("probe", counter, by, at_least)
}

fn adjust_of(context: &'static str, name: &str, by: i64, at_least: Option<i64>) -> Guard {
    let otherwise = Rejection::new("too-little", format!("{name} has less than that"));
    Guard::Adjust { counter: Counter { context, name: name.to_owned() }, by, at_least, otherwise }
}

struct Guarded {
    world: World,
    commands: u32,
}

impl Guarded {
    fn new() -> Self {
        Self { world: World::of(probe::context::<1>()), commands: 0 }
    }

    /// What an aggregate's command with these guards comes to: nothing, or the reason of its refusal.
    async fn commit(&mut self, aggregate: &str, guards: &[Guard]) -> Result<(), &'static str> {
        self.commands += 1;
        let entry = Entry { guards: guards.to_vec(), ..entry(&self.commands.to_string()) };
        let stream = stream(aggregate);
        let base = self.world.load(&stream).await;
        match self.world.commit(&stream, &base, std::slice::from_ref(&entry)).await {
            Ok(_) => Ok(()),
            Err(CommitError::Refused { stream_moved: false, entries }) => {
                assert_eq!(self.world.recorded(&entry.operation), None, "nothing of it happened");
                match &entries[..] {
                    [(0, Refusal::Guard(rejection))] => Err(rejection.reason),
                    _ => panic!("a guard, not {entries:?}"),
                }
            }
            Err(other) => panic!("a guard's refusal, not {other:?}"),
        }
    }

    fn items(&self) -> Vec<Value> {
        self.world.aws.items(TABLES.guards)
    }
}

#[tokio::test]
async fn a_claimed_value_is_one_aggregates_alone_until_it_gives_it_back() {
    let mut tables = Guarded::new();
    assert_eq!(tables.commit("P-1", &[claim("N-7")]).await, Ok(()));
    assert_eq!(tables.commit("P-1", &[claim("N-7")]).await, Ok(()), "it is its own already");
    assert_eq!(tables.commit("P-2", &[claim("N-7")]).await, Err("taken"));
    assert_eq!(tables.commit("P-2", &[claim("N-8")]).await, Ok(()));
    assert_eq!(tables.commit("P-2", &[release("N-7")]).await, Err("claim-not-held"));
    assert_eq!(tables.commit("P-1", &[release("N-7")]).await, Ok(()));
    assert_eq!(tables.commit("P-1", &[release("N-7")]).await, Ok(()), "released is released");
    assert_eq!(tables.commit("P-2", &[claim("N-7")]).await, Ok(()));
    assert_eq!(
        tables.items(),
        [
            json!({ "guard_key": "acme#probe#claim#number#N-7", "holder": "P-2" }),
            json!({ "guard_key": "acme#probe#claim#number#N-8", "holder": "P-2" }),
        ]
    );
}

#[tokio::test]
async fn a_claim_reaches_no_further_than_its_tenant_context_and_name() {
    let world = World::of(probe::context::<1>());
    for (number, name) in ["acme/probe/A", "globex/probe/B", "acme/orders/C"].into_iter().enumerate() {
        let stream = kernel::ids::StreamId::parse(name).expect("a stream id");
        let base = world.load(&stream).await;
        let entry = Entry { guards: vec![claim("N-7")], ..entry(&number.to_string()) };
        world.commit(&stream, &base, &[entry]).await.unwrap_or_else(|error| panic!("{name}: {error}"));
    }
    let stream = stream("D");
    let base = world.load(&stream).await;
    let otherwise = Rejection::new("taken", "");
    let other = Guard::Claim { name: "alias", value: "N-7".to_owned(), otherwise };
    world.commit(&stream, &base, &[Entry { guards: vec![other], ..entry("d") }]).await.expect("another name");
    assert_eq!(world.aws.items(TABLES.guards).len(), 4);
}

#[tokio::test]
async fn a_counter_does_not_fall_below_its_bound() {
    let mut tables = Guarded::new();
    assert_eq!(tables.commit("A", &[adjust("stock", -1, Some(0))]).await, Err("too-little"), "it begins at 0");
    assert_eq!(tables.commit("A", &[adjust("stock", 3, Some(5))]).await, Err("too-little"), "nor does a rise help");
    assert_eq!(tables.commit("A", &[adjust("stock", 3, Some(3))]).await, Ok(()));
    assert_eq!(tables.commit("B", &[adjust("stock", -2, Some(0))]).await, Ok(()));
    assert_eq!(tables.commit("A", &[adjust("stock", -2, Some(0))]).await, Err("too-little"));
    assert_eq!(tables.commit("A", &[adjust("stock", -1, Some(0))]).await, Ok(()));
    assert_eq!(tables.commit("A", &[adjust("stock", -9, None)]).await, Ok(()), "no bound");
    assert_eq!(tables.commit("A", &[adjust("credit", -5, Some(-5))]).await, Ok(()), "a bound below zero");
    assert_eq!(
        tables.items(),
        [
            json!({ "guard_key": "acme#probe#counter#credit", "amount": -5 }),
            json!({ "guard_key": "acme#probe#counter#stock", "amount": -9 }),
        ]
    );
}

#[tokio::test]
async fn a_counter_can_be_another_contexts_but_not_another_tenants() {
    let mut tables = Guarded::new();
    assert_eq!(tables.commit("A", &[adjust("cash", 5, None), adjust_of("bank", "cash", 2, None)]).await, Ok(()));
    let elsewhere = kernel::ids::StreamId::parse("globex/probe/A").expect("a stream id");
    let base = tables.world.load(&elsewhere).await;
    let entry = Entry { guards: vec![adjust_of("bank", "cash", -1, Some(0))], ..entry("b") };
    let refused = tables.world.commit(&elsewhere, &base, &[entry]).await;
    assert!(matches!(refused, Err(CommitError::Refused { .. })), "{refused:?}");
    assert_eq!(
        tables.items(),
        [
            json!({ "guard_key": "acme#bank#counter#cash", "amount": 2 }),
            json!({ "guard_key": "acme#probe#counter#cash", "amount": 5 }),
        ]
    );
}

#[tokio::test]
async fn a_move_by_nothing_only_asks() {
    let mut tables = Guarded::new();
    assert_eq!(tables.commit("A", &[adjust("open", 0, Some(1))]).await, Err("too-little"), "nobody has moved it");
    assert_eq!(tables.commit("A", &[adjust("open", 1, None)]).await, Ok(()));
    assert_eq!(tables.commit("B", &[adjust("open", 0, Some(1))]).await, Ok(()));
    assert_eq!(tables.items(), [json!({ "guard_key": "acme#probe#counter#open", "amount": 1 })]);
}

#[tokio::test]
async fn a_debit_and_its_credit_happen_together_or_not_at_all() {
    let mut tables = Guarded::new();
    let transfer = |amount: i64| [adjust("mine", -amount, Some(0)), adjust("yours", amount, None)];
    assert_eq!(tables.commit("A", &[adjust("mine", 10, None)]).await, Ok(()));
    assert_eq!(tables.commit("A", &transfer(7)).await, Ok(()));
    assert_eq!(tables.commit("A", &transfer(7)).await, Err("too-little"));
    let amounts: Vec<_> = tables.items().iter().map(|item| item["amount"].clone()).collect();
    assert_eq!(amounts, [3, 7]);
}

#[tokio::test]
async fn an_item_cannot_be_twice_in_a_transaction_and_goes_to_the_next_one() {
    let world = World::of(probe::context::<1>());
    let stream = stream("S-1");
    let base = world.load(&stream).await;
    let guarded = |id: &str, guard: Guard| Entry { guards: vec![guard], ..entry(id) };
    let mut commit = world.events.begin(&stream, &base);
    commit.add(&guarded("a", adjust("stock", 1, None))).expect("the first");
    let twice = Entry { guards: vec![adjust("other", 1, None); 2], ..entry("b") };
    for again in [guarded("b", adjust("stock", 1, None)), entry("a"), twice] {
        assert!(commit.add(&again).is_err(), "{} would be twice in it", again.operation.operation_key);
    }
    commit.add(&guarded("c", adjust("other", 1, None))).expect("another item");
    assert_eq!(commit.len(), 2, "a refused entry leaves the transaction as it was");
    world.events.commit(commit, world.now).await.expect("a transaction without repeats");

    let mut next = world.events.begin(&stream, &base);
    next.add(&guarded("b", adjust("stock", 1, None))).expect("the next transaction");
    world.events.commit(next, world.now).await.expect("the repeat");
    let amounts: Vec<_> = world.aws.items(TABLES.guards).iter().map(|item| item["amount"].clone()).collect();
    assert_eq!(amounts, [1, 2]);
}

#[tokio::test]
async fn every_entry_at_fault_is_named() {
    let mut tables = Guarded::new();
    tables.commit("P-1", &[claim("N-1"), claim("N-2")]).await.expect("free numbers");
    let world = &tables.world;
    let stream = stream("P-2");
    let base = world.load(&stream).await;
    let entries = [("a", "N-1"), ("b", "N-3"), ("c", "N-2")]
        .map(|(id, number)| Entry { guards: vec![claim(number)], ..entry(id) });
    match world.commit(&stream, &base, &entries).await {
        Err(CommitError::Refused { stream_moved: false, entries }) => {
            let at_fault: Vec<_> = entries.iter().map(|(index, _)| *index).collect();
            assert_eq!(at_fault, [0, 2]);
        }
        other => panic!("refused, not {other:?}"),
    }
}
