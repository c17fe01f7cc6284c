//! A bank and an insurer: what people ask of them, and what carries it out.

use std::time::Duration;

use accounts::commands::{DepositMoney, OpenAccount, TransferMoney};
use bench::{Books, Installation, text};
use fastrand::Rng;
use kernel::ids::AggregateId;
use kernel::money::Money;
use policies::commands::{AdjustPremium, BindPolicy, CancelPolicy};
use testkit::{Disturbance, Fault, TABLES};

/// Each account with its holder, currency and overdraft.
const ACCOUNTS: [(&str, &str, &str, i64); 5] = [
    ("A-1", "H-1", "EUR", 0),
    ("A-2", "H-1", "EUR", 10_000),
    ("A-3", "H-2", "EUR", 0),
    ("A-4", "H-2", "EUR", 500),
    ("A-5", "H-2", "USD", 2_000),
];
const POLICIES: u8 = 20;
/// Commands of a day.
const COMMANDS: usize = 60;

/// What somebody asks for, and of what.
#[derive(Clone)]
enum Wish {
    OfAccount(String, accounts::commands::Command),
    OfPolicy(String, policies::commands::Command),
}

pub struct Bank {
    pub it: Installation,
    random: Rng,
    /// How many commands were sent, repeats aside.
    sent: usize,
}

fn id(text: &str) -> AggregateId {
    AggregateId::parse(text).expect("an id")
}

impl Bank {
    /// With accounts, and nothing in them.
    pub async fn open(seed: u64) -> Self {
        let it = Installation::of(catalog::CONTEXTS);
        let bank = Self { it, random: Rng::with_seed(seed), sent: 1 };
        for (account, holder, currency, overdraft) in ACCOUNTS {
            let open = OpenAccount { holder: id(holder), currency: currency.to_owned(), overdraft };
            bank.send(&Wish::OfAccount(account.to_owned(), open.into())).await;
        }
        bank.it.settle().await;
        bank
    }

    /// Calls fail in all ways, and messages come twice and in any order.
    pub fn let_everything_fail(&mut self) {
        let often = Disturbance { duplicated: 100, deletes_forgotten: 50, reordered: true, ..Disturbance::default() };
        self.it.aws.disturb(self.random.u64(..), Disturbance { delivery: Duration::from_secs(20), ..often });
        let mut dice = self.random.fork();
        // What these tests send themselves arrives.
        self.it
            .aws
            .inject(move |attempt| if attempt.operation == "SendMessage" { Fault::None } else { fault(&mut dice) });
    }

    /// A day's commands, and what comes of them; no account is overdrawn meanwhile.
    pub async fn serve(&mut self) {
        for _ in 0..COMMANDS {
            let wish = self.wish();
            for _ in 0..if self.random.u8(..6) == 0 { 2 } else { 1 } {
                self.send(&wish).await;
            }
            self.sent += 1;
            if self.random.u8(..4) == 0 {
                self.it.step().await;
                assert_eq!(self.books().overdrawn(), [] as [String; 0]);
            }
        }
        self.it.pass(Duration::from_hours(1)).await;
    }

    pub async fn close_for_days(&mut self) {
        self.it.pass(Duration::from_hours(24 * self.random.u64(1..40))).await;
    }

    /// What everybody has done is forgotten, as DynamoDB does with records that have expired. Then all that has ever
    /// happened is published again.
    pub async fn live_it_all_again(&mut self) {
        let dynamodb = self.it.aws.dynamodb();
        for record in self.it.aws.items(TABLES.operations) {
            let key = aws_sdk_dynamodb::types::AttributeValue::S(text(&record["operation_key"]));
            let delete = dynamodb.delete_item().table_name(TABLES.operations).key("operation_key", key);
            delete.send().await.expect("deleted");
        }
        for commit in self.it.aws.items(TABLES.events) {
            let number = commit["commit_number"].as_u64().expect("a number");
            self.it.publish_again(&text(&commit["stream_id"]), number).await;
        }
        self.it.pass(Duration::from_hours(1)).await;
    }

    /// Something that somebody wants, sometimes what cannot be.
    fn wish(&mut self) -> Wish {
        let random = &mut self.random;
        let (account, holder, currency, _) = ACCOUNTS[random.usize(..ACCOUNTS.len())];
        let policy = format!("P-{}", random.u8(..POLICIES));
        let (account, currency) = (account.to_owned(), currency.to_owned());
        let (amount, premium) = (random.i64(0..6_000), random.i64(1..9_000));
        match random.u8(..10) {
            0..3 => Wish::OfAccount(account, DepositMoney { amount: Money { amount, currency } }.into()),
            3..6 => {
                let to = id(&format!("A-{}", random.u8(1..=6)));
                Wish::OfAccount(account, TransferMoney { to, amount: Money { amount, currency } }.into())
            }
            6..8 => {
                let holder = id(if random.u8(..4) == 0 { "H-3" } else { holder });
                let (from, until) = ("2026-09-15".to_owned(), format!("2027-0{}-01", random.u8(1..=9)));
                let (number, account) = (policy.clone(), Some(id(&account)));
                Wish::OfPolicy(policy, BindPolicy { number, holder, premium, currency, from, until, account }.into())
            }
            8 if random.bool() => Wish::OfPolicy(policy, CancelPolicy {}.into()),
            _ => Wish::OfPolicy(policy, AdjustPremium { premium }.into()),
        }
    }

    async fn send(&self, wish: &Wish) {
        let id = self.sent.to_string();
        match wish.clone() {
            Wish::OfAccount(account, command) => {
                let id = format!("{account}-{id}");
                self.it.send("accounts", &account, &id, command).await
            }
            Wish::OfPolicy(policy, command) => self.it.send("policies", &policy, &id, command).await,
        };
    }

    fn books(&self) -> Books {
        Books::of(&self.it.aws, "acme")
    }

    #[track_caller]
    pub fn assert_the_books_balance(&self) {
        assert_eq!(self.books().differences(), [] as [String; 0]);
    }

    /// Everything that can happen, and every refusal that the transaction finds out.
    pub fn assert_much_has_happened(&self) {
        let books = self.books();
        for ty in [
            "MoneyDeposited",
            "MoneyTransferred",
            "PolicyBound",
            "PremiumAdjusted",
            "PolicyCancelled",
            "PostingRecorded",
        ] {
            assert!(books.of_type(ty).count() > 1, "few are {ty}");
        }
        let records = self.it.aws.items(TABLES.operations);
        for reason in ["insufficient-funds", "unknown-payee", "foreign-account"] {
            let refused = records.iter().filter(|record| record["problem"].to_string().contains(reason)).count();
            assert!(refused > 0, "nothing is refused as {reason}");
        }
    }
}

fn fault(dice: &mut Rng) -> Fault {
    match dice.u8(..100) {
        0 | 1 => Fault::Throttle,
        2 => Fault::LoseRequest,
        3 | 4 => Fault::LoseAnswer,
        5 => Fault::TransactionConflict { item: 0 },
        6 => Fault::refuse(500, "InternalServerError"),
        _ => Fault::None,
    }
}
