//! SNS's Query protocol: a form in, XML out.

use std::collections::BTreeMap;
use std::fmt::Write;

use crate::answer::{Answer, Refusal, xml_text};
use crate::attributes::{self, Attribute, Attributes};
use crate::aws::{Aws, lock};
use crate::batch;
use crate::queues::Message;
use crate::request::Request;
use crate::topics::{Notification, Subscription};

/// For one message and for a whole batch, attributes included.
const MAX_BYTES: usize = 262_144;

pub(crate) fn answer(aws: &Aws, request: &Request, failing_entries: &[usize]) -> Answer {
    let form = Form::read(&request.body);
    let outcome = match request.operation.as_str() {
        "Publish" => publish(aws, &form),
        "PublishBatch" => publish_batch(aws, &form, failing_entries),
        unknown => Err(Refusal::bad_request("InvalidAction", format!("testkit does not answer {unknown}"))),
    };
    match outcome {
        Ok(result) => {
            let operation = &request.operation;
            Answer::success(format!(
                "<{operation}Response><{operation}Result>{result}</{operation}Result></{operation}Response>"
            ))
        }
        Err(refusal) => Answer::refusal(request.service, &refusal),
    }
}

fn publish(aws: &Aws, form: &Form) -> Result<String, Refusal> {
    let notification = form.notification("");
    check(&notification)?;
    if size(&notification) > MAX_BYTES {
        return Err(invalid("Message too long"));
    }
    let id = take(aws, notification);
    Ok(format!("<MessageId>{id}</MessageId>"))
}

fn publish_batch(aws: &Aws, form: &Form, failing: &[usize]) -> Result<String, Refusal> {
    let entries: Vec<_> = (1..)
        .map(|n| format!("PublishBatchRequestEntries.member.{n}."))
        .map_while(|prefix| Some((form.get(&prefix, "Id")?.to_owned(), form.notification(&prefix))))
        .collect();
    batch::check("", entries.iter().map(|(id, _)| id.as_str()))?;
    for (_, notification) in &entries {
        check(notification)?;
    }
    batch::check_size("", MAX_BYTES, entries.iter().map(|(_, notification)| size(notification)).sum())?;

    let (mut successful, mut failed) = (String::new(), String::new());
    for (index, (id, notification)) in entries.into_iter().enumerate() {
        let id = xml_text(&id);
        // Writing to a String cannot fail.
        let _ = if failing.contains(&index) {
            write!(
                failed,
                "<member><Id>{id}</Id><Code>InternalError</Code><Message>injected by the test</Message><SenderFault>false</SenderFault></member>"
            )
        } else {
            let message = take(aws, notification);
            write!(successful, "<member><Id>{id}</Id><MessageId>{message}</MessageId></member>")
        };
    }
    Ok(format!("<Successful>{successful}</Successful><Failed>{failed}</Failed>"))
}

/// Keeps it, and delivers it to whoever has subscribed: the body, the attributes and the message group as they are.
fn take(aws: &Aws, notification: Notification) -> String {
    let subscriptions = lock(&aws.world.topics).subscriptions(&notification.topic_arn);
    let takes = |subscription: &Subscription| subscription.takes(&notification);
    for Subscription { queue_url, dead_letters_url, .. } in subscriptions.into_iter().filter(takes) {
        let mut message = Message::new(&queue_url, notification.body.clone(), aws.now());
        message.attributes = notification.attributes.clone();
        message.group.clone_from(&notification.group);
        lock(&aws.world.queues).deliver(message, dead_letters_url.as_deref());
    }
    lock(&aws.world.topics).publish(notification)
}

fn check(notification: &Notification) -> Result<(), Refusal> {
    if notification.topic_arn.is_empty() {
        return Err(invalid("TopicArn or TargetArn Reason: no value for required parameter"));
    }
    if notification.body.is_empty() {
        return Err(invalid("Empty message"));
    }
    attributes::check(&notification.attributes, "ParameterValueInvalid")
}

fn size(notification: &Notification) -> usize {
    notification.body.len() + attributes::size(&notification.attributes)
}

fn invalid(reason: &str) -> Refusal {
    Refusal::bad_request("InvalidParameter", format!("Invalid parameter: {reason}"))
}

/// The fields of a form by name, such as `MessageAttributes.entry.1.Name`.
struct Form(BTreeMap<String, String>);

impl Form {
    fn read(body: &str) -> Self {
        Self(form_urlencoded::parse(body.as_bytes()).into_owned().collect())
    }

    fn get(&self, prefix: &str, name: &str) -> Option<&str> {
        self.0.get(&format!("{prefix}{name}")).map(String::as_str)
    }

    fn notification(&self, prefix: &str) -> Notification {
        let optional = |name| self.get(prefix, name).map(str::to_owned);
        Notification {
            id: String::new(),
            topic_arn: self.get("", "TopicArn").unwrap_or_default().to_owned(),
            body: optional("Message").unwrap_or_default(),
            subject: optional("Subject"),
            attributes: self.attributes(prefix),
            group: optional("MessageGroupId"),
            deduplication_id: optional("MessageDeduplicationId"),
        }
    }

    fn attributes(&self, prefix: &str) -> Attributes {
        (1..)
            .map(|n| format!("{prefix}MessageAttributes.entry.{n}."))
            .map_while(|prefix| {
                let value = self.get(&prefix, "Value.StringValue").or_else(|| self.get(&prefix, "Value.BinaryValue"));
                let attribute = Attribute {
                    data_type: self.get(&prefix, "Value.DataType").unwrap_or_default().to_owned(),
                    value: value.unwrap_or_default().to_owned(),
                };
                Some((self.get(&prefix, "Name")?.to_owned(), attribute))
            })
            .collect()
    }
}
