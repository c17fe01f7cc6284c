//! Whether resubmitting a parked message as it is would end the same.

use kernel::command::Command;
use kernel::parking::Reason;
use recovery::resubmission;
use store::parked::ParkedMessage;

/// Why this release would park it again if it were resubmitted as it is. `None`: it may go well. `accepted`: whether
/// this release's schema takes its data; `None`: it has none.
pub(crate) fn obstacle(parked: &ParkedMessage, accepted: Option<bool>) -> Option<&'static str> {
    let ParkedMessage { summary, message, .. } = parked;
    if summary.operation.is_none() {
        let is_command = Command::open(message.as_bytes(), &summary.queue).is_ok();
        let stays = catalog::context(&summary.queue).is_some() && !is_command;
        return stays.then_some("this release finds no command in it");
    }
    if resubmission::command(parked).is_none() {
        return Some("this release finds no command in it");
    }
    match (&summary.reason, accepted) {
        (Reason::Unreadable, None) => Some("this release has no such command, or not this version of it"),
        (Reason::Unreadable, Some(false)) => Some("its data does not match its schema"),
        _ => None,
    }
}
