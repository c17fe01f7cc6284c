//! The members of a request's body: all that is wrong with them is told at once.

use kernel::problem::{Complaint, Problem};
use kernel::text::is_visible;
use kernel::timestamp::Timestamp;
use kernel::webhook_signature::WebhookSecret;
use serde_json::Value;

/// Most characters of what people write for people.
pub(crate) const LONGEST_LINE: usize = 200;

/// Most entries of a list.
pub(crate) const MOST_ENTRIES: usize = 100;

/// Reads members, and collects what is wrong with them.
#[derive(Default)]
pub(crate) struct Form {
    complaints: Vec<Complaint>,
}

impl Form {
    /// About the member at this JSON Pointer (RFC 6901).
    pub fn complain(&mut self, pointer: String, detail: impl Into<String>) {
        let detail = detail.into();
        self.complaints.push(Complaint { pointer: Some(pointer), index: None, ty: None, attribute: None, detail });
    }

    /// A member that must be there.
    pub fn required(&mut self, member: &str, given: Option<Value>) -> Option<Value> {
        if given.is_none() {
            self.complain(format!("/{member}"), "must be there");
        }
        given
    }

    pub fn text(&mut self, member: &str, given: Option<Value>) -> Option<String> {
        let Value::String(text) = given? else {
            self.complain(format!("/{member}"), "must be a text");
            return None;
        };
        Some(text)
    }

    /// A line that people write for people. An empty one is none.
    pub fn line(&mut self, member: &str, given: Option<Value>) -> Option<String> {
        let line = self.text(member, given)?.trim().to_owned();
        if line.chars().count() > LONGEST_LINE || !line.chars().all(is_visible) {
            self.complain(
                format!("/{member}"),
                format!("must be at most {LONGEST_LINE} characters, all of them visible"),
            );
            return None;
        }
        Some(line).filter(|line| !line.is_empty())
    }

    pub fn time(&mut self, member: &str, given: Option<Value>) -> Option<Timestamp> {
        let time = Timestamp::parse(&self.text(member, given)?);
        if time.is_none() {
            self.complain(format!("/{member}"), "must be an RFC 3339 timestamp since 1970");
        }
        time
    }

    /// A secret. What is wrong with it is told without it.
    pub fn secret(&mut self, member: &str, given: Option<Value>) -> Option<WebhookSecret> {
        let secret = WebhookSecret::parse(&self.text(member, given)?);
        secret.map_err(|bad| self.complain(format!("/{member}"), bad.to_string())).ok()
    }

    /// A list of texts, none of them twice; absent, it is empty.
    pub fn list(&mut self, member: &str, given: Option<Value>) -> Vec<String> {
        let entries = match given {
            None => return Vec::new(),
            Some(Value::Array(entries)) if entries.len() <= MOST_ENTRIES => entries,
            Some(_) => {
                self.complain(format!("/{member}"), format!("must be a list of at most {MOST_ENTRIES} texts"));
                return Vec::new();
            }
        };
        let mut list = Vec::new();
        for (index, entry) in entries.into_iter().enumerate() {
            let here = format!("{member}/{index}");
            let Some(text) = self.text(&here, Some(entry)) else { continue };
            if list.contains(&text) {
                self.complain(format!("/{here}"), "is in the list already");
            }
            list.push(text);
        }
        list
    }

    /// Refuses the request if there is something wrong.
    pub fn finish(self) -> Result<(), Problem> {
        if self.complaints.is_empty() {
            return Ok(());
        }
        let told = self.complaints.iter().map(|Complaint { pointer, detail, .. }| {
            format!("{}: {detail}", pointer.as_deref().unwrap_or_default().trim_start_matches('/'))
        });
        let detail = told.collect::<Vec<_>>().join("; ");
        Err(Problem::bad_request(detail).listing(self.complaints))
    }
}
