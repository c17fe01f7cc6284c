//! What can be said of a parked message in plain words: what happened, and whether resubmitting it as it is would end the
//! same.

use kernel::command::Command;
use lambda::resubmission;
use store::parked::ParkedMessage;

/// What happened, by the reason that it was parked for.
pub(crate) fn title(reason: &str) -> &'static str {
    match reason {
        "unreadable" => "This release cannot read the command",
        "not-a-command" => "It is not a command that was accepted here",
        "panicked" => "The code that decides the command failed",
        "hung" => "The code that decides the command did not come to an end",
        "too-large" => "What the command would cause is too large",
        "unpublishable" => "What the command would cause cannot be published",
        "refused-by-store" => "The database does not take what the command would cause",
        "attempts-used-up" => "It failed again and again, until its attempts were used up",
        "too-old" => "It failed for almost as long as the queue keeps messages",
        _ => "It could not be carried out",
    }
}

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
    match (summary.reason.as_str(), accepted) {
        ("unreadable", None) => Some("this release has no such command, or not this version of it"),
        ("unreadable", Some(false)) => Some("its data does not match its schema"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::title;

    #[test]
    fn every_reason_to_park_has_a_title_of_its_own() {
        let at_the_handler = ["unreadable", "panicked", "hung", "too-large", "unpublishable", "refused-by-store"];
        let elsewhere = ["not-a-command", "attempts-used-up", "too-old"];
        let reasons = at_the_handler.into_iter().chain(elsewhere).chain(["of another release"]);
        let titles: BTreeSet<_> = reasons.map(title).collect();
        assert_eq!(titles.len(), 10, "{titles:#?}");
    }
}
