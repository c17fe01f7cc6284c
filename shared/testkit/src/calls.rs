//! The log of every HTTP request that the SDK clients made, retries included.

use std::collections::HashMap;
use std::fmt;
use std::ops::Deref;

use crate::answer::Answer;
use crate::request::{Request, Service};

/// One HTTP request and what came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    pub service: Service,
    /// The API's own name, such as `TransactWriteItems`.
    pub operation: String,
    /// Size of the request's body.
    pub request_bytes: usize,
    /// Size of the answer's body; 0 where the caller got none.
    pub response_bytes: usize,
    /// HTTP status; `None` where the caller got no answer (lost, hanging, timed out).
    pub status: Option<u16>,
}

/// Calls in order of their start. Prints as a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Calls(Vec<Call>);

impl Deref for Calls {
    type Target = [Call];

    fn deref(&self) -> &[Call] {
        &self.0
    }
}

impl IntoIterator for Calls {
    type Item = Call;
    type IntoIter = std::vec::IntoIter<Call>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl fmt::Display for Calls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{:>5}  {:<8}  {:<24}  {:>6}  {:>8}  {:>8}",
            "#", "service", "operation", "status", "request", "response"
        )?;
        for (index, call) in self.0.iter().enumerate() {
            let status = call.status.map_or_else(|| "none".to_owned(), |status| status.to_string());
            writeln!(
                f,
                "{:>5}  {:<8}  {:<24}  {status:>6}  {:>8}  {:>8}",
                index + 1,
                call.service,
                call.operation,
                call.request_bytes,
                call.response_bytes,
            )?;
        }
        Ok(())
    }
}

#[derive(Debug, Default)]
pub(crate) struct Log {
    calls: Vec<Call>,
    /// How many were dropped from the front: a call's number outlives them.
    forgotten: usize,
    by_operation: HashMap<String, usize>,
    pub keeps_nothing: bool,
}

/// A call that has begun: its number in the log, and which one of its operation it is.
pub(crate) struct Begun {
    number: usize,
    pub nth: usize,
}

impl Log {
    pub fn begin(&mut self, request: &Request) -> Begun {
        if self.keeps_nothing {
            self.forgotten += 1;
        } else {
            self.calls.push(Call {
                service: request.service,
                operation: request.operation.clone(),
                request_bytes: request.body.len(),
                response_bytes: 0,
                status: None,
            });
        }
        let nth = self.by_operation.entry(request.operation.clone()).or_default();
        *nth += 1;
        Begun { number: self.forgotten + self.calls.len() - 1, nth: *nth }
    }

    pub fn finish(&mut self, begun: &Begun, answer: &Answer) {
        let call = begun.number.checked_sub(self.forgotten).and_then(|index| self.calls.get_mut(index));
        if let Some(call) = call {
            call.status = Some(answer.status);
            call.response_bytes = answer.body.len();
        }
    }

    pub fn forget(&mut self) {
        self.forgotten += self.calls.len();
        self.calls.clear();
    }

    pub fn calls(&self) -> Calls {
        Calls(self.calls.clone())
    }

    pub fn count(&self, operation: &str) -> usize {
        self.calls.iter().filter(|call| call.operation == operation).count()
    }
}
