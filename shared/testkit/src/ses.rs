//! SES: takes every mail, and keeps it.

use serde_json::{Value, json};

use crate::answer::{Answer, Refusal};
use crate::aws::{Aws, lock};
use crate::request::Request;

/// A mail that was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SentMail {
    pub from: String,
    pub to: String,
    pub subject: String,
    pub text: String,
}

pub(crate) fn answer(aws: &Aws, request: &Request) -> Answer {
    let body: Value = serde_json::from_str(&request.body).unwrap_or_default();
    let text = |pointer: &str| body.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
    let mail = || {
        Some(SentMail {
            from: text("/FromEmailAddress")?,
            to: text("/Destination/ToAddresses/0")?,
            subject: text("/Content/Simple/Subject/Data")?,
            text: text("/Content/Simple/Body/Text/Data")?,
        })
    };
    let Some(mail) = mail() else {
        let refusal = Refusal::bad_request("BadRequestException", "testkit takes simple mails to one address");
        return Answer::refusal(request.service, &refusal);
    };
    // As SES does, which knows no more of an address.
    if !mail.to.is_ascii() || !mail.to.split_once('@').is_some_and(|(_, domain)| domain.contains('.')) {
        return Answer::refusal(
            request.service,
            &Refusal::bad_request("BadRequestException", "Missing final '@domain'"),
        );
    }
    let mut mails = lock(&aws.world.mails);
    mails.push(mail);
    Answer::success(json!({ "MessageId": format!("mail-{}", mails.len()) }).to_string())
}
