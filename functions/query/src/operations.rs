//! `GET /operations/{id}`: how a command is doing.

use kernel::ids::TenantId;
use kernel::operation::Status;
use kernel::problem::Problem;
use kernel::receipt::Receipt;
use kernel::timestamp::Timestamp;
use lambda::caller::Caller;
use lambda::http::{json, set};
use lambda::refusal::{Answer, Refusal};
use lambda::request::Parameters;
use lambda::scope::{Scope, require};
use lambda_http::Request;
use lambda_http::http::StatusCode;
use lambda_http::http::header::RETRY_AFTER;
use store::operations::seen;

use crate::{Query, nothing_here};

impl Query {
    /// As its holder [sees](seen) it. Unknown, forged, foreign and long past are the same 404.
    pub(crate) async fn operation(
        &self,
        request: &Request,
        id: &str,
        parameters: &Parameters,
        now: Timestamp,
    ) -> Answer {
        let Follower { tenant, .. } = self.follower(request, parameters).await?;
        let receipt = self.receipt(&tenant, id).await?;
        let record = self.operations.find(&tenant, receipt.command_key).await?;
        let operation = seen(record.as_ref(), &receipt, &self.public_url, now).ok_or_else(nothing_here)?;
        let mut answer = json(StatusCode::OK, &operation);
        if let Some(seconds) = ask_again(operation.status) {
            set(&mut answer, RETRY_AFTER, seconds);
        }
        Ok(answer)
    }
}

/// Who follows an operation.
pub(crate) struct Follower {
    /// Whose operation it is.
    pub tenant: TenantId,
    /// `None`: an operator, whose token says nothing of reading.
    pub caller: Option<Caller>,
}

impl Query {
    /// The receipt, if it is genuine and this tenant's.
    pub(crate) async fn receipt(&self, tenant: &TenantId, id: &str) -> Result<Receipt, Refusal> {
        // What the installation handed in itself has no key. Whoever makes such an id up reads what they may read anyway.
        let of_system = Receipt::read(id).filter(Receipt::is_of_system);
        let receipt = match of_system {
            Some(receipt) => receipt,
            // Without keys a genuine id looks like a forged one.
            None => self.receipts.open(tenant, id).await?.ok_or_else(nothing_here)?,
        };
        tracing::Span::current().record("operation", id);
        Ok(receipt)
    }

    /// Whose operation is asked for: the caller's own tenant's. An operator's token says nothing of reading, and lets them
    /// follow what they are responsible for: of the tenant that they are registered with, or of any that a platform operator
    /// names, for a receipt can only be told from a forged one by its tenant.
    pub(crate) async fn follower(&self, request: &Request, parameters: &Parameters) -> Result<Follower, Refusal> {
        let named = parameters.text("tenant");
        let may_read = Scope::Read.is_in(request) || Scope::Submit.is_in(request);
        if !Scope::Operate.is_in(request) || (may_read && named.is_none()) {
            let caller = self.caller(request).await?;
            require(request, &[Scope::Submit, Scope::Read])?;
            parameters.expect_only(&[])?;
            return Ok(Follower { tenant: caller.tenant.clone(), caller: Some(caller) });
        }
        parameters.expect_only(&["tenant"])?;
        let operator = self.operators.identify(request).await?;
        let named = named.map(TenantId::parse).transpose().map_err(|_| nothing_here())?;
        let tenant = match named {
            Some(named) if operator.may_see(Some(&named)) => named,
            Some(_) => return Err(nothing_here().into()),
            None => operator.tenant.ok_or_else(|| {
                Problem::bad_request("say whose operation it is, by tenant: a platform operator is of none")
            })?,
        };
        tracing::Span::current().record("tenant", tenant.as_str());
        Ok(Follower { tenant, caller: None })
    }
}

/// Seconds until something may have changed.
pub(crate) fn ask_again(status: Status) -> Option<&'static str> {
    match status {
        Status::Succeeded | Status::Rejected | Status::Discarded => None,
        Status::Accepted => Some("1"),
        Status::Retrying => Some("10"),
        Status::Parked => Some("60"), // a person is at it
    }
}
