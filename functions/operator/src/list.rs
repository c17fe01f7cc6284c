//! `GET /parked`: what waits, in groups of what may have one cause, or message by message.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use futures_util::future::try_join_all;
use kernel::ids::{AggregateId, TenantId};
use kernel::parking::Reason;
use kernel::problem::Problem;
use kernel::receipt::Receipt;
use kernel::timestamp::Timestamp;
use lambda::caller::Operator;
use lambda::http::json;
use lambda::refusal::Answer;
use lambda::request::Parameters;
use lambda_http::http::StatusCode;
use schemars::JsonSchema;
use serde::Serialize;
use store::StoreError;
use store::parked::Summary;

use crate::Desk;
use crate::parking::ParkingId;

/// What waits, in groups.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "ParkedGroups", deny_unknown_fields)]
pub(crate) struct Groups {
    groups: Vec<Group>,
    /// False if there is more than could be counted.
    complete: bool,
}

/// Messages that have queue, type and reason in common.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "ParkedGroup", deny_unknown_fields)]
struct Group {
    /// Null where it is not known.
    context: Option<String>,
    queue: String,
    /// Null where it is not known.
    #[serde(rename = "type")]
    ty: Option<String>,
    #[schemars(with = "String")]
    reason: Reason,
    /// What happened, in plain words.
    title: &'static str,
    #[schemars(range(min = 1))]
    count: usize,
    /// How many of them had been parked before.
    again: usize,
    /// When the first of them was parked.
    oldest: Timestamp,
    newest: Timestamp,
}

/// How many messages of a queue are counted at most: as many as can be read while somebody waits for the answer.
const MOST_COUNTED: u64 = 50_000;

/// How many are counted if nothing else is asked for. Consoles ask every half a minute, and this is one call a queue.
const COUNTED: u64 = 1000;

/// How many are read at a time.
const PAGE: usize = 1000;

/// A message as lists show it.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "ParkedSummary")]
pub(crate) struct Item<'a> {
    #[schemars(with = "ParkingId")]
    id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    tenant: Option<&'a TenantId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    context: Option<&'a str>,
    /// Where it goes when it is resubmitted.
    queue: &'a str,
    /// Of the command or the domain event.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    ty: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<AggregateId>")]
    subject: Option<&'a str>,
    /// In kebab case: what messages are grouped by.
    #[schemars(with = "String", length(min = 1))]
    reason: &'a Reason,
    /// What happened, in plain words: for people. Decide by the reason.
    title: &'static str,
    /// The last error with its causes. It may quote data.
    error: &'a str,
    /// How often it was sent back to its queue before it was parked.
    attempts: u32,
    /// How often it was resubmitted by operators; a command that waits was parked as often before.
    revision: u32,
    /// Of a command.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Receipt>")]
    operation: Option<&'a str>,
    first_failed_at: Timestamp,
    first_parked_at: Timestamp,
    /// The last time.
    parked_at: Timestamp,
}

/// Part of a list.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "ParkedList", deny_unknown_fields)]
pub(crate) struct List<'a> {
    items: Vec<Item<'a>>,
    /// To be given back as `cursor`; absent at the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = "^[A-Za-z0-9_-]+$"))]
    next: Option<String>,
}

impl<'a> Item<'a> {
    /// As this operator may see it.
    pub fn of(summary: &'a Summary, id: &ParkingId, operator: &Operator) -> Self {
        Self {
            id: id.to_string(),
            tenant: summary.tenant.as_ref(),
            context: summary.context.as_deref(),
            queue: &summary.queue,
            ty: summary.message_type.as_deref(),
            subject: summary.subject.as_deref(),
            reason: &summary.reason,
            title: summary.reason.title(),
            error: error_for(operator, &summary.reason, &summary.error),
            attempts: summary.attempts,
            revision: summary.revision,
            operation: summary.operation.as_deref(),
            first_failed_at: summary.first_failed_at,
            first_parked_at: summary.first_parked_at,
            parked_at: summary.parked_at,
        }
    }
}

/// The error as this operator may see it.
pub(crate) fn error_for<'a>(operator: &Operator, reason: &Reason, error: &'a str) -> &'a str {
    if operator.tenant.is_some() && reason.is_of_the_platform() {
        return "the platform could not carry it out; its operators see the error";
    }
    error
}

/// Which messages to list. Empty text asks for those that have none.
struct Filters<'a> {
    context: Option<&'a str>,
    queue: Option<&'a str>,
    ty: Option<&'a str>,
    reason: Option<&'a str>,
}

impl<'a> Filters<'a> {
    /// Queues and contexts are those that there are. Types and reasons may be of messages that another release parked.
    fn of(parameters: &'a Parameters, queues: impl Iterator<Item = &'a String>) -> Result<Self, Problem> {
        let queues: Vec<_> = queues.map(String::as_str).collect();
        let contexts: Vec<_> = catalog::CONTEXTS.iter().map(|context| context.name).collect();
        let context = match parameters.text("context") {
            Some("") => Some(""),
            _ => parameters.one_of("context", &contexts)?,
        };
        let queue = parameters.one_of("queue", &queues)?;
        let [ty, reason] = ["type", "reason"].map(|name| parameters.text(name));
        if [context, queue, ty, reason].iter().all(Option::is_none) {
            return Err(Problem::bad_request("say which messages: by context, queue, type or reason"));
        }
        Ok(Self { context, queue, ty, reason })
    }

    fn accept(&self, summary: &Summary) -> bool {
        let same =
            |wanted: Option<&str>, is: Option<&str>| wanted.is_none_or(|wanted| wanted == is.unwrap_or_default());
        same(self.context, summary.context.as_deref())
            && same(self.queue, Some(&summary.queue))
            && same(self.ty, summary.message_type.as_deref())
            && same(self.reason, Some(summary.reason.as_str()))
    }
}

impl Desk {
    /// `GET /parked`: groups, the largest first.
    pub(crate) async fn groups(&self, operator: &Operator, parameters: &Parameters) -> Answer {
        parameters.expect_only(&["atMost"])?;
        let at_most = match parameters.number("atMost")? {
            None => COUNTED,
            Some(number @ 1..=MOST_COUNTED) => number,
            Some(_) => return Err(Problem::bad_request(format!("atMost is 1 to {MOST_COUNTED}")).into()),
        };
        let at_most = usize::try_from(at_most).unwrap_or(usize::MAX);
        let tenant = operator.tenant.as_ref();
        let counted = try_join_all(self.queues.keys().map(|queue| self.count(queue, tenant, at_most))).await?;
        let complete = counted.iter().all(|(_, complete)| *complete);
        let mut groups: Vec<Group> = counted.into_iter().flat_map(|(groups, _)| groups).collect();
        groups.sort_by_key(|group| Reverse(group.count));
        Ok(json(StatusCode::OK, &Groups { groups, complete }))
    }

    /// The groups of a queue, and whether those are all.
    async fn count(
        &self,
        queue: &str,
        tenant: Option<&TenantId>,
        at_most: usize,
    ) -> Result<(Vec<Group>, bool), StoreError> {
        let mut groups: BTreeMap<(Option<String>, Option<String>, Reason), Group> = BTreeMap::new();
        let mut after = None;
        let mut left = at_most;
        while left > 0 {
            let page = self.parked.waiting(queue, tenant, |_| true, after.as_deref(), left.min(PAGE)).await?;
            left = left.saturating_sub(page.messages.len());
            for Summary { context, message_type, reason, parked_at, revision, .. } in page.messages {
                let group = groups.entry((context.clone(), message_type.clone(), reason.clone()));
                let group = group.or_insert_with(|| Group {
                    context,
                    queue: queue.to_owned(),
                    ty: message_type,
                    title: reason.title(),
                    reason,
                    count: 0,
                    again: 0,
                    oldest: parked_at,
                    newest: parked_at,
                });
                group.count += 1;
                group.again += usize::from(revision > 0);
                group.oldest = group.oldest.min(parked_at);
                group.newest = group.newest.max(parked_at);
            }
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        Ok((groups.into_values().collect(), after.is_none()))
    }

    /// `GET /parked?…`: messages, queue by queue; of each tenant the oldest first.
    pub(crate) async fn list(&self, operator: &Operator, parameters: &Parameters) -> Answer {
        parameters.expect_only(&["context", "queue", "type", "reason", "limit", "cursor"])?;
        let filters = Filters::of(parameters, self.queues.keys())?;
        let limit = parameters.limit()?;
        let last = cursor(parameters, operator)?;
        let mut messages: Vec<Summary> = Vec::new();
        for queue in self.queues.keys().filter(|queue| filters.queue.is_none_or(|wanted| wanted == *queue)) {
            let after = match &last {
                Some(last) if *queue < last.queue => continue,
                Some(last) if *queue == last.queue => Some(last.place()),
                _ => None,
            };
            // One more than asked for, to know whether there is more.
            let missing = limit + 1 - messages.len();
            let wanted = |summary: &Summary| filters.accept(summary);
            let tenant = operator.tenant.as_ref();
            messages.extend(self.parked.waiting(queue, tenant, wanted, after.as_deref(), missing).await?.messages);
            if messages.len() > limit {
                break;
            }
        }
        let more = messages.len() > limit;
        messages.truncate(limit);
        let items: Vec<_> =
            messages.iter().map(|summary| Item::of(summary, &ParkingId::of(summary), operator)).collect();
        let next = items.last().filter(|_| more).map(|last| last.id.clone());
        Ok(json(StatusCode::OK, &List { items, next }))
    }
}

/// Where to go on: behind this message, which an earlier part ended with.
fn cursor(parameters: &Parameters, operator: &Operator) -> Result<Option<ParkingId>, Problem> {
    let Some(text) = parameters.text("cursor") else { return Ok(None) };
    let last = ParkingId::read(text).filter(|last| operator.may_see(last.tenant.as_ref()));
    last.map(Some).ok_or_else(|| Problem::bad_request("the cursor is not one that was given out"))
}
