//! Frames: what is asked for over a connection, and the answers.

use std::collections::HashMap;
use std::time::Duration;

use futures_util::future::try_join_all;
use kernel::frame::{Follow, Frame, MAX_REQUEST_BYTES, MOST_OPERATIONS, Request, Submit, Unreadable};
use kernel::operation::Operation;
use kernel::problem::Problem;
use kernel::receipt::Receipt;
use kernel::timestamp::Timestamp;
use lambda::refusal::Refusal;
use lambda::telemetry::metric;
use messaging::{SendError, Sent};
use store::connections::Follower;
use store::operations::{OperationRecord, seen};

use crate::Server;
use crate::event::Connection;

impl Server {
    /// Does what a frame asks for, and answers it over the connection.
    #[tracing::instrument(name = "frame", skip_all, fields(tenant = %connection.holder.tenant, principal = connection.holder.principal))]
    pub(crate) async fn answer(&self, connection: &Connection, text: &str, now: Timestamp) -> Result<(), SendError> {
        metrics::counter!(metric::FRAMES).increment(1);
        if now >= connection.holder.until() {
            tracing::info!("the connection has outlived its token");
            return self.frames.close(&connection.id).await;
        }
        for frame in self.frames_for(connection, text, now).await {
            if !self.say(connection, &frame).await? {
                break;
            }
        }
        Ok(())
    }

    /// Sends a frame. Gives whether the connection still takes some.
    async fn say(&self, connection: &Connection, frame: &Frame) -> Result<bool, SendError> {
        if let Frame::Problem { problem, .. } = frame {
            metrics::counter!(metric::REFUSED).increment(1);
            tracing::info!(problem = %problem.ty, status = problem.status, "refused");
        }
        let sent = self.frames.send(&connection.id, frame).await?;
        if sent != Sent::Sent {
            tracing::info!(?sent, "the connection does not take its answer");
        }
        Ok(sent == Sent::Sent)
    }

    async fn frames_for(&self, connection: &Connection, text: &str, now: Timestamp) -> Vec<Frame> {
        let read = if text.len() > MAX_REQUEST_BYTES {
            let problem = Problem::too_large("a frame takes at most 32 KiB; larger commands go to POST /commands");
            Err((None, problem))
        } else {
            Request::read(text).map_err(|Unreadable { id, why }| (id, Problem::bad_request(why)))
        };
        let request = match read {
            Ok(request) => request,
            // Who sends such things without end is not answered.
            Err((id, problem)) => {
                let is_answered = self.let_through(connection, 1, now).is_ok();
                return is_answered.then(|| Frame::of_problem(id, problem)).into_iter().collect();
            }
        };
        let (id, weight) = match &request {
            Request::Submit(submit) => (submit.id.clone(), 1),
            Request::Follow(follow) | Request::Unfollow(follow) => (follow.id.clone(), follow.operations.len().max(1)),
            Request::Ping(ping) => (ping.id.clone(), 1),
        };
        let done = match self.let_through(connection, weight, now) {
            Ok(()) => match request {
                Request::Submit(submit) => self.submit(connection, submit, now).await,
                Request::Follow(follow) => self.follow(connection, follow, now).await,
                Request::Unfollow(follow) => self.unfollow(connection, follow).await,
                Request::Ping(_) => Ok(vec![Frame::Pong { id: id.clone() }]),
            },
            Err(problem) => Err(problem.into()),
        };
        done.unwrap_or_else(|refusal| vec![Frame::of_problem(Some(id), refusal.into_problem())])
    }

    /// Refuses what is too much at once.
    #[expect(clippy::result_large_err, reason = "a problem is made once a frame and becomes the answer")]
    fn let_through(&self, connection: &Connection, weight: usize, now: Timestamp) -> Result<(), Problem> {
        self.of_a_connection.take(&connection.id, weight, now).map_err(|seconds| {
            let problem = Problem::too_many_requests("so much is not taken over one connection at once");
            problem.to_be_tried_again_after(Duration::from_secs(seconds.into()))
        })
    }

    /// Queues the command, and then follows it.
    async fn submit(&self, connection: &Connection, submit: Submit, now: Timestamp) -> Result<Vec<Frame>, Refusal> {
        if !connection.holder.may_submit() {
            return Err(Problem::not_permitted("the token lacks the scope waybill/submit").into());
        }
        let operation = self.intake.submit(&connection.holder.caller(), submit.event.get(), now).await?;
        let receipt = operation.id.clone();
        let accepted = Frame::Accepted { id: submit.id.clone(), operation: Box::new(operation) };
        // At once: what follows may take its time, and must not keep the receipt from the client. If this fails, the client
        // submits again.
        let is_there = self.say(connection, &accepted).await.map_err(|error| unsent(&error))?;
        if !submit.follow || !is_there {
            return Ok(Vec::new());
        }
        // It is queued whatever comes of this. If it is a problem, the client follows it again.
        let (mut operations, _) = self.followed(connection, vec![receipt], now).await?;
        // A repeat may have its outcome already.
        operations.retain(|operation| operation.status.is_final());
        Ok(if operations.is_empty() { Vec::new() } else { Frame::of_operations(None, operations, Vec::new()) })
    }

    /// Follows operations, and says how they are doing.
    async fn follow(&self, connection: &Connection, follow: Follow, now: Timestamp) -> Result<Vec<Frame>, Refusal> {
        few(&follow)?;
        let (operations, unknown) = self.followed(connection, follow.operations, now).await?;
        Ok(Frame::of_operations(Some(&follow.id), operations, unknown))
    }

    /// How the operations of these receipts are doing, and the receipts that are no operation's of the tenant.
    ///
    /// Of what has not ended, it is first noted who follows, and then the record is read. So an outcome that comes in between is
    /// pushed and answered; and none is neither.
    async fn followed(
        &self,
        connection: &Connection,
        receipts: Vec<String>,
        now: Timestamp,
    ) -> Result<(Vec<Operation>, Vec<String>), Refusal> {
        let tenant = &connection.holder.tenant;
        let (mut open, mut unknown) = (Vec::new(), Vec::new());
        for text in receipts {
            match self.intake.receipts.open(tenant, &text).await? {
                Some(receipt) => open.push(receipt),
                None => unknown.push(text),
            }
        }
        let mut operations = Vec::new();
        // What is final stays so, and costs no write.
        let records = self.records(connection, &open).await?;
        open.retain(|receipt| {
            let operation = self.seen(connection, receipt, &records, now);
            let Some(operation) = operation else {
                unknown.push(receipt.to_string());
                return false;
            };
            let is_open = !operation.status.is_final();
            if !is_open {
                operations.push(operation);
            }
            is_open
        });
        if open.is_empty() {
            return Ok((operations, unknown));
        }
        let notes = open.iter().map(|receipt| async move {
            self.connections.follow(&key(connection, receipt), &follower(connection, receipt), now).await
        });
        try_join_all(notes).await?;
        let records = self.records(connection, &open).await?;
        // One that has ended meanwhile leaves its follower to push.
        operations.extend(open.iter().filter_map(|receipt| self.seen(connection, receipt, &records, now)));
        Ok((operations, unknown))
    }

    async fn records(
        &self,
        connection: &Connection,
        receipts: &[Receipt],
    ) -> Result<HashMap<String, OperationRecord>, Refusal> {
        Ok(self.operations.find_all(receipts.iter().map(|receipt| key(connection, receipt))).await?)
    }

    /// As `GET /operations/{id}` has it; `None` if that is 404.
    fn seen(
        &self,
        connection: &Connection,
        receipt: &Receipt,
        records: &HashMap<String, OperationRecord>,
        now: Timestamp,
    ) -> Option<Operation> {
        seen(records.get(&key(connection, receipt)), receipt, &self.intake.admission.public_url, now)
    }

    async fn unfollow(&self, connection: &Connection, unfollow: Follow) -> Result<Vec<Frame>, Refusal> {
        few(&unfollow)?;
        // What nobody can have followed need not be forgotten.
        let receipts: Vec<Receipt> = unfollow.operations.iter().filter_map(|text| Receipt::read(text)).collect();
        let forgotten = receipts.iter().map(|receipt| async move {
            self.connections.unfollow(&key(connection, receipt), &[follower(connection, receipt)]).await
        });
        try_join_all(forgotten).await?;
        Ok(vec![Frame::Unfollowed { id: unfollow.id }])
    }
}

#[expect(clippy::result_large_err, reason = "a problem is made once a frame and becomes the answer")]
fn few(follow: &Follow) -> Result<(), Problem> {
    let count = follow.operations.len();
    if (1..=MOST_OPERATIONS).contains(&count) {
        return Ok(());
    }
    Err(Problem::bad_request(format!("operations has 1 to {MOST_OPERATIONS} receipts; this one has {count}")))
}

fn key(connection: &Connection, receipt: &Receipt) -> String {
    OperationRecord::key(&connection.holder.tenant, receipt.command_key)
}

fn follower(connection: &Connection, receipt: &Receipt) -> Follower {
    let until = connection.holder.until();
    Follower { connection: connection.id.clone(), receipt: receipt.to_string(), until }
}

fn unsent(error: &SendError) -> Refusal {
    Refusal::unavailable("it is queued; send the same again, which repeats nothing", error)
}
