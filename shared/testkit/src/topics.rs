//! SNS topics: what has been published, by topic ARN. A topic exists as soon as it is named.

use std::collections::HashMap;

use crate::attributes::Attributes;

/// A notification that SNS has taken.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Notification {
    pub id: String,
    pub topic_arn: String,
    pub body: String,
    pub subject: Option<String>,
    pub attributes: Attributes,
    /// `MessageGroupId`.
    pub group: Option<String>,
    /// `MessageDeduplicationId`.
    pub deduplication_id: Option<String>,
}

impl Notification {
    /// An attribute's value.
    pub fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.get(name).map(|attribute| attribute.value.as_str())
    }
}

#[derive(Debug, Default)]
pub(crate) struct Topics {
    published: HashMap<String, Vec<Notification>>,
    subscriptions: HashMap<String, Vec<Subscription>>,
    count: u64,
}

/// A queue that gets what is published to a topic, raw.
#[derive(Clone, Debug)]
pub(crate) struct Subscription {
    pub queue_url: String,
    pub dead_letters_url: Option<String>,
    /// The filter policy: values of the attribute `type`.
    pub types: Option<Vec<String>>,
}

impl Subscription {
    pub fn takes(&self, notification: &Notification) -> bool {
        let ty = notification.attribute("type").unwrap_or_default();
        self.types.as_ref().is_none_or(|types| types.iter().any(|taken| taken == ty))
    }
}

impl Topics {
    /// Keeps the notification and gives it its id.
    pub fn publish(&mut self, mut notification: Notification) -> String {
        self.count += 1;
        notification.id = format!("00000000-0000-4000-9000-{:012x}", self.count);
        let id = notification.id.clone();
        self.published.entry(notification.topic_arn.clone()).or_default().push(notification);
        id
    }

    pub fn subscribe(&mut self, topic_arn: &str, subscription: Subscription) {
        self.subscriptions.entry(topic_arn.to_owned()).or_default().push(subscription);
    }

    pub fn filter(&mut self, topic_arn: &str, queue_url: &str, types: &[String]) {
        let subscriptions = self.subscriptions.get_mut(topic_arn).into_iter().flatten();
        for subscription in subscriptions.filter(|subscription| subscription.queue_url == queue_url) {
            subscription.types = Some(types.to_vec());
        }
    }

    pub fn subscriptions(&self, topic_arn: &str) -> Vec<Subscription> {
        self.subscriptions.get(topic_arn).cloned().unwrap_or_default()
    }

    pub fn take_published(&mut self, topic_arn: &str) -> Vec<Notification> {
        self.published.remove(topic_arn).unwrap_or_default()
    }

    pub fn published(&self, topic_arn: &str) -> Vec<Notification> {
        self.published.get(topic_arn).cloned().unwrap_or_default()
    }
}
