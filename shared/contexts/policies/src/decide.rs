//! The policy's rules. A number stays taken when its policy is cancelled: claims under it may still come in.
//!
//! Where the policy names an account, what a decision costs is debited from it and what it gives back is credited, in the
//! same transaction.

use kernel::decider::{Claim, Claiming, Decision, Guard, Rejection};
use kernel::timestamp::Timestamp;

use crate::account::{held, moved};
use crate::commands::{BindPolicy, Command};
use crate::day::Day;
use crate::events::{Event, PolicyBound, PolicyCancelled, PremiumAdjusted, Settlement};
use crate::state::{Cover, State};

pub(crate) fn decide(state: &State, command: &Command, now: Timestamp) -> Result<Decision<Event>, Rejection> {
    match (command, state) {
        (Command::BindPolicy(command), State::Unknown) => bind(command.clone()),
        (Command::BindPolicy(_), _) => Err(Rejection::new("already-bound", "The policy was bound before")),
        (Command::AdjustPremium(_) | Command::CancelPolicy(_), State::Unknown) => {
            Err(Rejection::new("unknown-policy", "No policy has this id"))
        }
        (Command::AdjustPremium(command), State::Active(cover)) if command.premium == cover.premium => {
            Ok(Decision::nothing())
        }
        (Command::AdjustPremium(command), State::Active(cover)) => Ok(adjust(command.premium, cover, now)),
        (Command::AdjustPremium(_), State::Cancelled) => {
            Err(Rejection::new("policy-cancelled", "The policy has ended"))
        }
        (Command::CancelPolicy(_), State::Active(cover)) => Ok(cancel(cover, now)),
        (Command::CancelPolicy(_), State::Cancelled) => Ok(Decision::nothing()),
    }
}

/// What the number is claimed under.
const NUMBER: &str = "policy-number";

/// A number stays its policy's, cancelled or not.
pub(crate) fn claims(event: &Event) -> Vec<Claiming> {
    match event {
        Event::PolicyBound(PolicyBound { number, .. }) => {
            vec![Claiming::Taken(Claim { name: NUMBER, value: number.clone() })]
        }
        Event::PremiumAdjusted(_) | Event::PolicyCancelled(_) => Vec::new(),
    }
}

fn bind(command: BindPolicy) -> Result<Decision<Event>, Rejection> {
    let BindPolicy { number, holder, premium, currency, from, until, account } = command;
    let (from, until) = (day(from)?, day(until)?);
    if from >= until {
        return Err(impossible(format!("The period from {from} until {until} has no day")));
    }
    let otherwise = Rejection::new("number-taken", format!("Another policy has the number {number}"));
    let mut guards = vec![Guard::Claim { name: NUMBER, value: number.clone(), otherwise }];
    if let Some(account) = &account {
        guards.extend([held(account, &holder), moved(account, &currency, -premium)]);
    }
    let bound = PolicyBound { number, holder, premium, currency, from, until, account };
    Ok(guards.into_iter().fold(Decision::of(bound), Decision::guarded_by))
}

fn adjust(premium: i64, cover: &Cover, now: Timestamp) -> Decision<Event> {
    let effective = cover.next_day(now);
    let more = cover.share(premium, effective) - cover.share(cover.premium, effective);
    let (settlement, guard) = settle(cover, -more);
    let decision = Decision::of(PremiumAdjusted { premium, effective: Some(effective), settlement });
    guard.into_iter().fold(decision, Decision::guarded_by)
}

fn cancel(cover: &Cover, now: Timestamp) -> Decision<Event> {
    let effective = cover.next_day(now);
    let (settlement, guard) = settle(cover, cover.share(cover.premium, effective));
    let decision = Decision::of(PolicyCancelled { effective: Some(effective), settlement });
    guard.into_iter().fold(decision, Decision::guarded_by)
}

/// What the account gets, or pays if it is below zero.
fn settle(cover: &Cover, amount: i64) -> (Option<Settlement>, Option<Guard>) {
    let account = cover.account.clone().filter(|_| amount != 0);
    let guard = account.as_ref().map(|account| moved(account, &cover.currency, amount));
    (account.map(|account| Settlement { account, amount }), guard)
}

fn day(text: String) -> Result<Day, Rejection> {
    Day::try_from(text).map_err(impossible)
}

fn impossible(detail: String) -> Rejection {
    Rejection::new("impossible-period", detail)
}
