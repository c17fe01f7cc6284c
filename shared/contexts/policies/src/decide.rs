//! The policy's rules. A number stays taken when its policy is cancelled: claims under it may still come in.

use kernel::decider::{Decision, Guard, Rejection};
use time::Date;
use time::format_description::well_known::Iso8601;

use crate::commands::{BindPolicy, Command};
use crate::events::{Event, PolicyBound, PolicyCancelled, PremiumAdjusted};
use crate::state::State;

pub(crate) fn decide(state: State, command: &Command) -> Result<Decision<Event>, Rejection> {
    match (command, state) {
        (Command::BindPolicy(command), State::Unknown) => bind(command.clone()),
        (Command::BindPolicy(_), _) => Err(Rejection::new("already-bound", "The policy was bound before")),
        (Command::AdjustPremium(_) | Command::CancelPolicy(_), State::Unknown) => {
            Err(Rejection::new("unknown-policy", "No policy has this id"))
        }
        (Command::AdjustPremium(command), State::Active { premium }) if command.premium == premium => {
            Ok(Decision::nothing())
        }
        (Command::AdjustPremium(command), State::Active { .. }) => {
            Ok(Decision::of(PremiumAdjusted { premium: command.premium }))
        }
        (Command::AdjustPremium(_), State::Cancelled) => {
            Err(Rejection::new("policy-cancelled", "The policy has ended"))
        }
        (Command::CancelPolicy(_), State::Active { .. }) => Ok(Decision::of(PolicyCancelled {})),
        (Command::CancelPolicy(_), State::Cancelled) => Ok(Decision::nothing()),
    }
}

fn bind(
    BindPolicy { number, holder, premium, currency, from, until }: BindPolicy,
) -> Result<Decision<Event>, Rejection> {
    if day(&from)? >= day(&until)? {
        return Err(impossible(format!("The period from {from} until {until} has no day")));
    }
    let otherwise = Rejection::new("number-taken", format!("Another policy has the number {number}"));
    let claim = Guard::Claim { name: "policy-number", value: number.clone(), otherwise };
    Ok(Decision::of(PolicyBound { number, holder, premium, currency, from, until }).guarded_by(claim))
}

/// A day of the calendar, such as 2026-01-31.
fn day(text: &str) -> Result<Date, Rejection> {
    Date::parse(text, &Iso8601::DATE).map_err(|_| impossible(format!("{text} is no day of the calendar")))
}

fn impossible(detail: String) -> Rejection {
    Rejection::new("impossible-period", detail)
}
