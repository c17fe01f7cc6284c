//! Frames: what is asked for over a connection, and the answers.

use std::time::Duration;

use futures_util::future::try_join_all;
use kernel::frame::{Follow, Frame, MAX_REQUEST_BYTES, MOST_OPERATIONS, Request, Submit, Unreadable};
use kernel::operation::{LONGEST_WAY, Operation};
use kernel::problem::Problem;
use kernel::receipt::Receipt;
use kernel::timestamp::Timestamp;
use lambda::refusal::Refusal;
use lambda::telemetry::metric;
use messaging::{SendError, Sent};
use store::connections::{Follower, MOST_FOLLOWERS};
use store::operations::OperationRecord;

use crate::Server;
use crate::event::Connection;

impl Server {
    /// Does what a frame asks for, and answers it over the connection.
    #[tracing::instrument(name = "frame", skip_all, fields(tenant = %connection.holder.tenant, principal = connection.holder.principal))]
    pub(crate) async fn answer(&self, connection: &Connection, text: &str, now: Timestamp) -> Result<(), SendError> {
        metrics::counter!(metric::FRAMES).increment(1);
        for frame in self.frames_for(connection, text, now).await {
            if let Frame::Problem { problem, .. } = &frame {
                metrics::counter!(metric::REFUSED).increment(1);
                tracing::info!(problem = %problem.ty, status = problem.status, "refused");
            }
            if self.frames.send(&connection.id, &frame).await? == Sent::Gone {
                tracing::info!("the connection is gone before its answer");
                break;
            }
        }
        Ok(())
    }

    async fn frames_for(&self, connection: &Connection, text: &str, now: Timestamp) -> Vec<Frame> {
        if text.len() > MAX_REQUEST_BYTES {
            let problem = Problem::too_large("a frame takes at most 32 KiB; larger commands go to POST /commands");
            return vec![Frame::of_problem(None, problem)];
        }
        let request = match Request::read(text) {
            Ok(request) => request,
            Err(Unreadable { id, why }) => return vec![Frame::of_problem(id, Problem::bad_request(why))],
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

    /// Refuses what comes after the connection's end, and what is too much at once.
    #[expect(clippy::result_large_err, reason = "a problem is made once a frame and becomes the answer")]
    fn let_through(&self, connection: &Connection, weight: usize, now: Timestamp) -> Result<(), Problem> {
        if now >= connection.holder.until() {
            return Err(Problem::unauthenticated("the token has expired with which this connection was opened"));
        }
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
        let mut frames = vec![Frame::Accepted { id: submit.id.clone(), operation: Box::new(operation) }];
        if submit.follow {
            match self.followed(connection, vec![receipt], now).await {
                // A repeat may have its outcome already.
                Ok((mut operations, _)) => {
                    operations.retain(|operation| operation.status.is_final());
                    if !operations.is_empty() {
                        frames.extend(Frame::of_operations(None, operations, Vec::new()));
                    }
                }
                // It is queued all the same. The client follows it again.
                Err(refusal) => frames.push(Frame::of_problem(Some(submit.id), refusal.into_problem())),
            }
        }
        Ok(frames)
    }

    /// Follows operations, and says how they are doing.
    async fn follow(&self, connection: &Connection, follow: Follow, now: Timestamp) -> Result<Vec<Frame>, Refusal> {
        few(&follow)?;
        let (operations, unknown) = self.followed(connection, follow.operations, now).await?;
        Ok(Frame::of_operations(Some(&follow.id), operations, unknown))
    }

    /// How the operations of these receipts are doing, and the receipts that are no operation's of the tenant.
    ///
    /// First it is noted who follows, then the record is read. So an outcome that comes in between is pushed and answered; and
    /// none is neither.
    async fn followed(
        &self,
        connection: &Connection,
        receipts: Vec<String>,
        now: Timestamp,
    ) -> Result<(Vec<Operation>, Vec<String>), Refusal> {
        let tenant = &connection.holder.tenant;
        let (mut genuine, mut unknown) = (Vec::new(), Vec::new());
        for text in receipts {
            match self.intake.receipts.open(tenant, &text).await? {
                Some(receipt) => genuine.push(receipt),
                None => unknown.push(text),
            }
        }
        try_join_all(genuine.iter().map(|receipt| self.note(connection, receipt, now))).await?;
        let keys = genuine.iter().map(|receipt| key(connection, receipt));
        let records = self.operations.find_all(keys).await?;
        let mut operations = Vec::new();
        for receipt in genuine {
            let record = records.get(&key(connection, &receipt)).filter(|record| record.tells_of(&receipt));
            let operation = match record {
                Some(record) => record.seen_by(&receipt, &self.intake.admission.public_url),
                // As GET /operations/{id} has it.
                None if receipt.accepted_at.plus(LONGEST_WAY) < now => {
                    unknown.push(receipt.to_string());
                    self.let_go(connection, &receipt).await?;
                    continue;
                }
                None => Operation::accepted(receipt.to_string(), receipt.accepted_at),
            };
            if operation.status.is_final() {
                self.let_go(connection, &receipt).await?;
            }
            operations.push(operation);
        }
        Ok((operations, unknown))
    }

    /// Notes that the connection follows.
    async fn note(&self, connection: &Connection, receipt: &Receipt, now: Timestamp) -> Result<(), Refusal> {
        let (key, follower) = (key(connection, receipt), follower(connection, receipt));
        if self.connections.follow(&key, &follower, now).await? {
            return Ok(());
        }
        let detail = format!("{MOST_FOLLOWERS} follow this operation already; ask GET /operations/{receipt}");
        Err(Problem::too_many_requests(detail).into())
    }

    async fn unfollow(&self, connection: &Connection, unfollow: Follow) -> Result<Vec<Frame>, Refusal> {
        few(&unfollow)?;
        for text in &unfollow.operations {
            // What nobody can have followed need not be forgotten.
            if let Some(receipt) = Receipt::read(text) {
                self.let_go(connection, &receipt).await?;
            }
        }
        Ok(vec![Frame::Unfollowed { id: unfollow.id }])
    }

    async fn let_go(&self, connection: &Connection, receipt: &Receipt) -> Result<(), Refusal> {
        Ok(self.connections.unfollow(&key(connection, receipt), &[follower(connection, receipt)]).await?)
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
    Follower { connection: connection.id.clone(), receipt: receipt.to_string() }
}
