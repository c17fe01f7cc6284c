//! The rules of orders and policies once more, in short: what a stream's commands do to it, in the order in which they take
//! effect.

/// What a command asks for, as far as these rules tell commands apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// An order on account.
    Submit,
    SubmitToPay,
    Ship,
    Cancel,
    Confirm,
    /// A policy that is paid elsewhere.
    Bind,
    /// A policy that is paid from an account.
    BindPaid,
    Adjust,
    CancelPolicy,
    /// Of another context, whose own decider is asked.
    Other,
}

impl Kind {
    /// Of a command that the installation hands in.
    pub fn of_system(ty: &str) -> Self {
        match ty {
            "ConfirmOrder" => Self::Confirm,
            "CancelOrder" => Self::Cancel,
            _ => Self::Other,
        }
    }
}

/// How far an order or a policy has come.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    Nothing,
    Open,
    /// It is to be paid first.
    AwaitingPayment,
    Confirmed,
    Shipped,
    /// Paid from an account.
    Paid,
    Cancelled,
}

/// The stage after the command and its events; `None`: it is rejected.
pub fn decide(stage: Stage, kind: Kind) -> Option<(Stage, &'static [&'static str])> {
    match (kind, stage) {
        (Kind::Submit, Stage::Nothing) => Some((Stage::Open, &["OrderSubmitted"])),
        (Kind::SubmitToPay, Stage::Nothing) => Some((Stage::AwaitingPayment, &["OrderSubmitted"])),
        (Kind::Confirm, Stage::AwaitingPayment) => Some((Stage::Confirmed, &["OrderConfirmed"])),
        (Kind::Ship, Stage::Open | Stage::Confirmed) => Some((Stage::Shipped, &["OrderShipped"])),
        (Kind::Cancel, Stage::Open | Stage::AwaitingPayment | Stage::Confirmed) => {
            Some((Stage::Cancelled, &["OrderCancelled"]))
        }
        (Kind::Bind, Stage::Nothing) => Some((Stage::Open, &["PolicyBound"])),
        (Kind::BindPaid, Stage::Nothing) => Some((Stage::Paid, &["PolicyBound"])),
        (Kind::Adjust, Stage::Open | Stage::Paid) => Some((stage, &["PremiumAdjusted"])),
        (Kind::CancelPolicy, Stage::Open | Stage::Paid) => Some((Stage::Cancelled, &["PolicyCancelled"])),
        (Kind::Confirm, Stage::Confirmed | Stage::Shipped) | (Kind::Cancel | Kind::CancelPolicy, Stage::Cancelled) => {
            Some((stage, &[]))
        }
        _ => None,
    }
}

/// For what reasons guards may refuse what these rules let pass.
pub fn guards(stage: Stage, kind: Kind) -> &'static [&'static str] {
    match (kind, stage) {
        (Kind::Bind, _) => &["number-taken"],
        (Kind::BindPaid, _) => &["foreign-account", "insufficient-funds"],
        (Kind::Adjust, Stage::Paid) => &["insufficient-funds"],
        _ => &[],
    }
}
