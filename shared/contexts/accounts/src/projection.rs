//! The account as clients read it, under `/accounts`.

use kernel::ids::AggregateId;
use kernel::projection::{Filters, Happening, Listing, Projection, Tally};
use kernel::timestamp::Timestamp;
use serde::{Deserialize, Serialize};

use crate::events::{AccountOpened, Event, MoneyDeposited, MoneyTransferred, PostingRecorded};

/// An account's document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Document {
    pub id: AggregateId,
    pub status: Status,
    pub holder: AggregateId,
    pub currency: String,
    /// How far the balance may fall below zero.
    pub overdraft: i64,
    /// What was recorded so far, in the currency's smallest unit. Money that others have moved just now is not in it yet.
    pub balance: i64,
    pub opened_at: Timestamp,
    pub updated_at: Timestamp,
}

/// On which side of zero the balance is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    InCredit,
    Overdrawn,
}

/// The collection `accounts`: by holder, by status, newest opened first.
pub struct AccountView;

impl Projection for AccountView {
    type Event = Event;
    type Document = Document;

    const COLLECTION: &'static str = "accounts";
    const FILTERS: Filters = Filters { owner: "holder", state: "status" };
    const STATES: &'static [&'static str] = &["in-credit", "overdrawn"];

    fn project(document: Option<Document>, event: &Event, happening: &Happening) -> Option<Document> {
        let by = match event {
            Event::AccountOpened(event) => return Some(opened(event, happening)),
            Event::MoneyDeposited(MoneyDeposited { amount }) => amount.amount,
            Event::MoneyTransferred(MoneyTransferred { amount, .. }) => -amount.amount,
            Event::PostingRecorded(PostingRecorded { amount, .. }) => *amount,
        };
        let document = document?;
        let balance = document.balance + by;
        let status = if balance < 0 { Status::Overdrawn } else { Status::InCredit };
        Some(Document { balance, status, updated_at: happening.time, ..document })
    }

    fn listing(account: &Document) -> Listing {
        Listing::of(&account.holder, &account.status, account.opened_at)
    }

    /// How many accounts are in each status, by the day they were opened; and under `balance:EUR` and the like the sum of the
    /// balances, in minor units.
    fn tallies(account: &Document) -> Vec<Tally> {
        let Listing { state, time, .. } = Self::listing(account);
        vec![Tally::of(state, 1).on(time), Tally::of(format!("balance:{}", account.currency), account.balance)]
    }
}

fn opened(event: &AccountOpened, happening: &Happening) -> Document {
    let AccountOpened { holder, currency, overdraft } = event.clone();
    Document {
        id: happening.aggregate.clone(),
        status: Status::InCredit,
        holder,
        currency,
        overdraft,
        balance: 0,
        opened_at: happening.time,
        updated_at: happening.time,
    }
}
