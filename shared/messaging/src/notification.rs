//! What an SNS topic that is not ours puts into a queue.

use std::borrow::Cow;

use serde::Deserialize;

/// A queue message, without what SNS has put around it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notification<'a> {
    /// What was published.
    Message(Cow<'a, str>),
    /// SNS asks whether the queue wants what is published, because somebody else than its owner has subscribed it.
    Confirmation,
}

/// The envelope of a subscription without raw delivery ("Parsing Amazon SNS message formats"). No CloudEvent reads like one:
/// names of its attributes have no capitals.
#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(rename = "Type", borrow)]
    ty: Cow<'a, str>,
    #[serde(rename = "Message", borrow)]
    message: Cow<'a, str>,
}

impl<'a> Notification<'a> {
    /// Reads a queue message. What is in no envelope was delivered raw.
    pub fn of(body: &'a str) -> Self {
        match serde_json::from_str::<Envelope<'a>>(body) {
            Ok(Envelope { ty, message }) if ty == "Notification" => Self::Message(message),
            Ok(Envelope { ty, .. }) if ty == "SubscriptionConfirmation" => Self::Confirmation,
            _ => Self::Message(Cow::Borrowed(body)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn published(body: &str) -> String {
        match Notification::of(body) {
            Notification::Message(message) => message.into_owned(),
            Notification::Confirmation => panic!("{body}"),
        }
    }

    #[test]
    fn what_was_published_comes_out_of_its_envelope_and_is_else_as_it_is() {
        let envelope = r#"{"Type":"Notification","MessageId":"m","TopicArn":"t","Message":"{\"id\":\"é\"}"}"#;
        assert_eq!(published(envelope), r#"{"id":"é"}"#);
        for raw in [r#"{"id":"1","type":"Notification"}"#, r#"{"Type":"Notification"}"#, "no JSON", "", "[]"] {
            assert_eq!(published(raw), raw);
        }
        let others = r#"{"Type":"UnsubscribeConfirmation","Message":"x"}"#;
        assert_eq!(published(others), others);
    }

    #[test]
    fn a_question_of_sns_is_no_message() {
        let question =
            r#"{"Type":"SubscriptionConfirmation","Token":"t","Message":"You have chosen","SubscribeURL":"u"}"#;
        assert_eq!(Notification::of(question), Notification::Confirmation);
    }
}
