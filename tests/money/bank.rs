//! A bank and an insurer: what people ask of them, and what carries it out.

use std::collections::BTreeSet;
use std::time::{Duration, UNIX_EPOCH};

use accounts::commands::{DepositMoney, OpenAccount, TransferMoney};
use bench::{Bench, platform};
use fastrand::Rng;
use kernel::ids::AggregateId;
use kernel::money::Money;
use listener::Listener;
use policies::commands::{AdjustPremium, BindPolicy, CancelPolicy};
use subscriber::Subscriber as _;
use testkit::{Attempt, Aws, Fault, TABLES};

use crate::books::Books;

/// Each account with its holder, currency and overdraft.
const ACCOUNTS: [(&str, &str, &str, i64); 5] = [
    ("A-1", "H-1", "EUR", 0),
    ("A-2", "H-1", "EUR", 10_000),
    ("A-3", "H-2", "EUR", 0),
    ("A-4", "H-2", "EUR", 500),
    ("A-5", "H-2", "USD", 2_000),
];
const POLICIES: [&str; 5] = ["P-1", "P-2", "P-3", "P-4", "P-5"];
/// Commands of a day.
const COMMANDS: usize = 60;

/// What somebody asks for.
#[derive(Clone)]
enum Wish {
    OfAccount(&'static str, accounts::commands::Command),
    OfPolicy(&'static str, policies::commands::Command),
}

pub struct Bank {
    pub aws: Aws,
    accounts: Bench,
    policies: Bench,
    listener: Listener,
    random: Rng,
    /// How many commands were sent, repeats aside.
    sent: usize,
    /// The ids of events that were heard.
    heard: BTreeSet<String>,
}

fn id(text: &str) -> AggregateId {
    AggregateId::parse(text).expect("an id")
}

impl Bank {
    /// With accounts, and nothing in them.
    pub async fn open(seed: u64) -> Self {
        // In September 2026.
        let aws = Aws::starting_at(UNIX_EPOCH + Duration::from_secs(1_790_000_000));
        let bench = |name: &str| {
            let mut bench = Bench::on(aws.clone(), catalog::context(name).expect("a context"));
            // At a queue that never gives up.
            bench.handler.giving_back.max_receives = u32::MAX;
            bench
        };
        let (accounts, policies) = (bench("accounts"), bench("policies"));
        let listener = Listener::from_environment(&platform::environment(), aws.sqs()).expect("settings");
        let (random, heard) = (Rng::with_seed(seed), BTreeSet::new());
        let mut bank = Self { aws, accounts, policies, listener, random, sent: 0, heard };
        for (account, holder, currency, overdraft) in ACCOUNTS {
            let open = OpenAccount { holder: id(holder), currency: currency.to_owned(), overdraft };
            bank.send(Wish::OfAccount(account, open.into())).await;
        }
        bank.work_off().await;
        bank
    }

    pub fn let_everything_fail(&mut self) {
        let mut dice = self.random.fork();
        self.aws.inject(move |attempt| fault(&mut dice, attempt));
    }

    /// A day's commands, and all that comes of them.
    pub async fn serve(&mut self) {
        for _ in 0..COMMANDS {
            let wish = self.wish();
            self.send(wish).await;
        }
        self.work_off().await;
    }

    /// Less than repeats are known for.
    pub async fn close_for_days(&mut self) {
        tokio::time::advance(Duration::from_hours(24 * self.random.u64(0..28))).await;
    }

    /// Something that somebody wants, sometimes what cannot be.
    fn wish(&mut self) -> Wish {
        let random = &mut self.random;
        let (account, holder, currency, _) = ACCOUNTS[random.usize(..ACCOUNTS.len())];
        let policy = POLICIES[random.usize(..POLICIES.len())];
        let currency = currency.to_owned();
        let (amount, premium) = (random.i64(0..6_000), random.i64(1..9_000));
        match random.u8(..10) {
            0..3 => Wish::OfAccount(account, DepositMoney { amount: Money { amount, currency } }.into()),
            3..6 => {
                let to = id(&format!("A-{}", random.u8(1..=6)));
                Wish::OfAccount(account, TransferMoney { to, amount: Money { amount, currency } }.into())
            }
            6..8 => {
                let holder = id(if random.u8(..8) == 0 { "H-3" } else { holder });
                let (from, until) = ("2026-09-15".to_owned(), format!("2027-0{}-01", random.u8(1..=9)));
                let (number, account) = (policy.to_owned(), Some(id(account)));
                Wish::OfPolicy(policy, BindPolicy { number, holder, premium, currency, from, until, account }.into())
            }
            8 if random.bool() => Wish::OfPolicy(policy, CancelPolicy {}.into()),
            _ => Wish::OfPolicy(policy, AdjustPremium { premium }.into()),
        }
    }

    /// Queues it, sometimes twice.
    async fn send(&mut self, wish: Wish) {
        self.sent += 1;
        let id = self.sent.to_string();
        let times = if self.random.u8(..6) == 0 { 2 } else { 1 };
        for _ in 0..times {
            match wish.clone() {
                Wish::OfAccount(account, command) => self.accounts.send(account, &id, command).await,
                Wish::OfPolicy(policy, command) => self.policies.send(policy, &id, command).await,
            };
        }
    }

    /// Handlers and listener go on until nothing is left to do for them.
    async fn work_off(&mut self) {
        let mut rounds = 0;
        while self.hear().await || !self.accounts.waiting().is_empty() || !self.policies.waiting().is_empty() {
            rounds += 1;
            assert!(rounds < 500, "something is stuck\n{}", self.aws.calls());
            let of_accounts = self.accounts.receive();
            // Now and then the queue hands out what another still has.
            let again = if self.random.u8(..10) == 0 { of_accounts.clone() } else { self.accounts.receive() };
            let of_policies = self.policies.receive();
            let given_back = tokio::join!(
                self.accounts.handle(&of_accounts),
                self.accounts.handle(&again),
                self.policies.handle(&of_policies)
            );
            self.accounts.acknowledge(&of_accounts, &given_back.0);
            self.accounts.acknowledge(&again, &given_back.1);
            self.policies.acknowledge(&of_policies, &given_back.2);
            self.books().assert_none_is_overdrawn();
            self.accounts.wait_for_visibility().await;
        }
        assert_eq!(self.accounts.parked(), [] as [serde_json::Value; 0]);
    }

    /// Hands some of what has happened to the listener, in any order, and some of it again. Whether there was anything new.
    async fn hear(&mut self) -> bool {
        let mut events = self.books().events;
        self.random.shuffle(&mut events);
        let mut some_are_new = false;
        for event in events {
            let is_new = !self.heard.contains(&event.id());
            some_are_new |= is_new;
            let is_due = if is_new { self.random.bool() } else { self.random.u8(..50) == 0 };
            if is_due && self.listener.handle(&event).await.is_ok() {
                self.heard.insert(event.id());
            }
        }
        some_are_new
    }

    pub fn books(&self) -> Books {
        Books::of(&self.aws)
    }

    /// Else the test would prove little.
    pub fn assert_much_has_happened(&self) {
        let books = self.books();
        for ty in ["MoneyDeposited", "MoneyTransferred", "PolicyBound", "PremiumAdjusted", "PostingRecorded"] {
            assert!(books.of_type(ty).count() > 2, "few are {ty}");
        }
        let problems: Vec<_> =
            self.aws.items(TABLES.operations).into_iter().map(|record| record["problem"].to_string()).collect();
        for reason in ["insufficient-funds", "unknown-payee", "foreign-account"] {
            assert!(problems.iter().any(|problem| problem.contains(reason)), "nothing is refused as {reason}");
        }
    }
}

fn fault(dice: &mut Rng, attempt: &Attempt<'_>) -> Fault {
    let writes = attempt.operation == "TransactWriteItems";
    match dice.u8(..100) {
        0..8 => Fault::Throttle,
        8..16 => Fault::LoseRequest,
        16..28 => Fault::LoseAnswer,
        28..38 if writes => Fault::TransactionConflict { item: 0 },
        38..44 => Fault::refuse(500, "InternalServerError"),
        _ => Fault::None,
    }
}
