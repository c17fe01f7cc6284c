//! From a receipt to all that followed, level by level.

use std::collections::{BTreeSet, HashSet};

use kernel::context::Context;
use kernel::domain_event::RecordedEvent;
use kernel::ids::{CommandKey, OWN, StreamId, TenantId};
use kernel::operation::Status;
use kernel::receipt::{Digest, Receipt};
use kernel::timestamp::Timestamp;
use store::StoreError;
use store::operations::OperationRecord;
use store::read_models;
use store::stream_positions::CommitReference;
use store::timers::TimerId;
use store::traces::{Followed, Handled, MOST_AT_ONCE, ParkedKey, parked_key};
use store::webhooks::{Endpoint, EndpointId};

use crate::causes::{Causes, Expected};
use crate::line::{Delivery, Document, How, Line, Timer};
use crate::{MOST_COMMANDS, MOST_LEVELS, Tracer};

/// What became of a command, and of what it has caused.
#[derive(Debug)]
pub struct Trace {
    pub root: Line,
    /// False if there may be more: a bound was reached, or something that should be there is not.
    pub complete: bool,
}

/// How many commits are tried for a record of a release before, which does not say its own: from its version down, where the
/// commit is if those before it had one event each.
const TRIED: usize = 8;

/// A trace in the making.
struct Walk<'a> {
    tracer: &'a Tracer,
    tenant: &'a TenantId,
    now: Timestamp,
    /// Level by level, so each command comes behind the one that it follows from.
    lines: Vec<(Option<usize>, Line)>,
    seen: HashSet<CommandKey>,
    endpoints: Vec<Endpoint>,
    complete: bool,
}

/// A line, and what is known of what follows from it.
struct Handling {
    line: usize,
    causes: Causes,
}

impl Tracer {
    /// The trace of the command of this receipt; `None` if no record tells of it, and it cannot be on its way any more.
    ///
    /// The receipt must be genuine, or [of the installation's own](Receipt::is_of_system).
    pub async fn trace(
        &self,
        tenant: &TenantId,
        receipt: Receipt,
        now: Timestamp,
    ) -> Result<Option<Trace>, StoreError> {
        let record = self.record(tenant, receipt.command_key).await?.filter(|record| record.tells_of(&receipt));
        let mut root = Line::new(None, receipt.command_key, Some(receipt), None, None);
        root.take(record, receipt);
        if root.record.is_none() && (receipt.is_of_system() || root.is_forgotten(now)) {
            return Ok(None);
        }
        let mut walk = Walk {
            tracer: self,
            tenant,
            now,
            lines: Vec::new(),
            seen: HashSet::from([receipt.command_key]),
            endpoints: Vec::new(),
            complete: true,
        };
        walk.lines.push((None, root));
        walk.run().await?;
        Ok(Some(walk.into_trace()))
    }

    /// The record of a command.
    pub async fn record(&self, tenant: &TenantId, key: CommandKey) -> Result<Option<OperationRecord>, StoreError> {
        let key = OperationRecord::key(tenant, key);
        Ok(self.traces.operations([key.clone()]).await?.remove(&key))
    }
}

impl Walk<'_> {
    async fn run(&mut self) -> Result<(), StoreError> {
        if self.lines[0].1.record.is_some() {
            self.endpoints = self.tracer.traces.endpoints(self.tenant).await?;
        }
        let mut level = vec![0];
        for _ in 0..MOST_LEVELS {
            let handled = self.handle(&level).await?;
            let mut expected = self.follow(handled).await?;
            if expected.is_empty() {
                return Ok(());
            }
            // Those that follow in any case come first, if not all can be looked up.
            expected.sort_by_key(|(_, expected)| !expected.is_certain);
            self.complete &= expected.len() <= MOST_AT_ONCE;
            expected.truncate(MOST_AT_ONCE);
            level = self.next(expected).await?;
            if level.is_empty() {
                return Ok(());
            }
        }
        self.complete = false;
        Ok(())
    }

    /// Reads the commits of these lines, and what was parked: what they made happen, and what follows from that.
    async fn handle(&mut self, level: &[usize]) -> Result<Vec<Handling>, StoreError> {
        let (mut commits, mut parked) = (BTreeSet::new(), BTreeSet::new());
        for line in level {
            let (_, line) = &self.lines[*line];
            let tried = line.commits();
            if commits.len() + tried.len() > MOST_AT_ONCE {
                self.complete = false;
                continue;
            }
            commits.extend(tried);
            parked.extend(line.parked_key(self.tenant).filter(|_| self.tracer.traces.is_for_operators()));
        }
        let mut found = Handled::default();
        if !(commits.is_empty() && parked.is_empty()) {
            found = self.tracer.traces.handled(&commits, &parked).await?;
        }
        Ok(level.iter().map(|line| self.handle_one(*line, &mut found)).collect())
    }

    fn handle_one(&mut self, at: usize, found: &mut Handled) -> Handling {
        let Tracer { contexts, public_url, .. } = self.tracer;
        let (_, line) = &mut self.lines[at];
        let mut causes = Causes::default();
        line.parked = line.parked_key(self.tenant).and_then(|key| found.parked.remove(&key));
        if let Some(record) = line.own_record() {
            causes.of_refusal(record, contexts, public_url);
        }
        let key = line.key;
        let is_its_own = |operation: &str| Receipt::read(operation).is_some_and(|receipt| receipt.command_key == key);
        let tried = line.commits();
        for reference in &tried {
            let Some(commit) = found.commits.get(reference) else { continue };
            // What is damaged tells nothing, and hides nothing else.
            let (Ok(events), Ok(effects), Ok(stream)) = (commit.events(), commit.effects(), commit.stream()) else {
                causes.is_unclear = true;
                continue;
            };
            let events: Vec<_> = events.into_iter().filter(|event| is_its_own(&event.event.cause.operation)).collect();
            if events.is_empty() {
                continue;
            }
            for event in &events {
                causes.of_event(event, contexts, public_url);
            }
            causes.of_effects(commit, &stream, &effects, is_its_own, public_url);
            line.events = events;
            break;
        }
        self.complete &= (tried.is_empty() || !line.events.is_empty()) && !causes.is_unclear;
        Handling { line: at, causes }
    }

    /// Reads how far documents, timers and endpoints are. Gives what may follow.
    async fn follow(&mut self, handled: Vec<Handling>) -> Result<Vec<(usize, Expected)>, StoreError> {
        let mut documents = BTreeSet::new();
        let mut timers = BTreeSet::new();
        let mut deliveries: BTreeSet<(EndpointId, StreamId)> = BTreeSet::new();
        for handling in &handled {
            let (_, line) = &self.lines[handling.line];
            documents.extend(self.documents(line));
            timers.extend(handling.causes.timers.iter().map(|(id, _)| id.clone()));
            let wanted = self.wanted(line);
            deliveries.extend(wanted.map(|(endpoint, stream, _)| (endpoint.id.clone(), stream)));
        }
        let room = self.bound(&mut documents, MOST_AT_ONCE);
        let room = self.bound(&mut timers, room);
        self.bound(&mut deliveries, room);
        let mut found = Followed::default();
        if documents.len() + timers.len() + deliveries.len() > 0 {
            found = self.tracer.traces.followed(&documents, &timers, &deliveries).await?;
        }
        let mut expected = Vec::new();
        for Handling { line, causes } in handled {
            expected.extend(causes.expected.into_iter().map(|expected| (line, expected)));
            let shown = self.shown(&self.lines[line].1, &found);
            let deliveries: Vec<_> = self
                .wanted(&self.lines[line].1)
                .map(|(endpoint, stream, version)| {
                    let progress = found.deliveries.get(&(endpoint.id.clone(), stream)).cloned();
                    Delivery { endpoint: endpoint.clone(), version, progress }
                })
                .collect();
            let line = &mut self.lines[line].1;
            (line.documents, line.deliveries, line.cancelled) = (shown, deliveries, causes.cancelled);
            line.timers = causes.timers.into_iter().map(|(id, timer)| still_waits(&id, timer, &found)).collect();
        }
        Ok(expected)
    }

    /// Leaves out what there is no room for. Gives how much room is left.
    fn bound<T: Ord + Clone>(&mut self, wanted: &mut BTreeSet<T>, room: usize) -> usize {
        if let Some(first_left_out) = wanted.iter().nth(room).cloned() {
            self.complete = false;
            wanted.split_off(&first_left_out);
        }
        room - wanted.len()
    }

    /// The documents of the line's aggregate.
    fn documents(&self, line: &Line) -> Vec<read_models::Key> {
        let Some(stream) = &line.stream else { return Vec::new() };
        let context = self.tracer.contexts.iter().find(|context| context.name == stream.context);
        let ty = context.and_then(|context| context.aggregate_type(stream));
        let key =
            |collection| read_models::Key { tenant: self.tenant.clone(), collection, id: stream.aggregate.clone() };
        ty.into_iter().flat_map(|ty| ty.read_models).map(|model| key(model.collection())).collect()
    }

    fn shown(&self, line: &Line, found: &Followed) -> Vec<Document> {
        let models = self.tracer.contexts.iter().flat_map(Context::read_models);
        let layouts: Vec<_> = models.map(|model| (model.collection(), model.layout())).collect();
        let shown = |key: read_models::Key| {
            let reached = found.documents.get(&key);
            let layout =
                layouts.iter().find(|(collection, _)| *collection == key.collection).map(|(_, layout)| *layout);
            Document {
                collection: key.collection,
                version: reached.map(|reached| reached.version),
                owner: reached.filter(|reached| Some(reached.layout) == layout).map(|reached| reached.owner.clone()),
            }
        };
        self.documents(line).into_iter().map(shown).collect()
    }

    /// The endpoints that want some of the line's events: with the stream, and the last version that each wants.
    fn wanted<'b>(&'b self, line: &'b Line) -> impl Iterator<Item = (&'b Endpoint, StreamId, u64)> {
        self.endpoints.iter().filter_map(|endpoint| {
            let settings = &endpoint.settings;
            let wants = |event: &&RecordedEvent| settings.wants(event) && event.time >= settings.since;
            let last = line.events.iter().rev().find(wants)?;
            Some((endpoint, last.stream.clone(), last.version))
        })
    }

    /// Looks up which of these there are. Gives their lines.
    async fn next(&mut self, expected: Vec<(usize, Expected)>) -> Result<Vec<usize>, StoreError> {
        let keys = expected.iter().map(|(_, expected)| OperationRecord::key(self.tenant, expected.key));
        let mut records = self.tracer.traces.operations(keys).await?;
        let mut level = Vec::new();
        for (cause, Expected { how, key, receipt, stream, ty, is_certain }) in expected {
            let record = records.remove(&OperationRecord::key(self.tenant, key));
            if !(is_certain || record.is_some()) || !self.seen.insert(key) {
                continue;
            }
            if self.lines.len() == MOST_COMMANDS {
                self.complete = false;
                break;
            }
            let mut line = Line::new(Some(how), key, receipt, Some(stream), Some(ty));
            if let Some(record) = record {
                // What the record says: under another public URL than today's, the command had another digest.
                let accepted_at = record.accepted_at.unwrap_or(record.recorded_at);
                let told = Digest::parse(&record.digest).map(|digest| Receipt::of_system(accepted_at, key, digest));
                match told {
                    Some(told) => line.take(Some(record), told),
                    None => self.complete = false,
                }
            }
            self.complete &= !line.is_forgotten(self.now);
            level.push(self.lines.len());
            self.lines.push((Some(cause), line));
        }
        Ok(level)
    }

    /// Each line below the one that it follows from.
    fn into_trace(mut self) -> Trace {
        while self.lines.len() > 1 {
            let Some((Some(cause), line)) = self.lines.pop() else { break };
            self.lines[cause].1.caused.insert(0, line);
        }
        let (_, root) = self.lines.swap_remove(0);
        Trace { root, complete: self.complete }
    }
}

fn still_waits(id: &TimerId, timer: Timer, found: &Followed) -> Timer {
    Timer { waits: found.timers.contains_key(id), ..timer }
}

impl Line {
    fn new(
        how: Option<How>,
        key: CommandKey,
        receipt: Option<Receipt>,
        stream: Option<StreamId>,
        ty: Option<String>,
    ) -> Self {
        Self {
            how,
            key,
            receipt,
            stream,
            ty,
            record: None,
            events: Vec::new(),
            documents: Vec::new(),
            timers: Vec::new(),
            cancelled: Vec::new(),
            parked: None,
            deliveries: Vec::new(),
            caused: Vec::new(),
        }
    }

    /// With what its record says.
    fn take(&mut self, record: Option<OperationRecord>, receipt: Receipt) {
        let Some(record) = record else { return };
        self.receipt = Some(receipt);
        // Of another command under the same id, nothing is told but that it came first.
        if record.digest == receipt.digest.to_string() {
            self.ty = Some(record.command_type.clone());
            self.stream = record.stream();
        }
        self.record = Some(record);
    }

    /// The commits that its events may be in.
    fn commits(&self) -> Vec<CommitReference> {
        let succeeded = self.own_record().filter(|record| record.outcome == Status::Succeeded && record.context != OWN);
        let Some((record, stream)) = succeeded.zip(self.stream.as_ref()) else { return Vec::new() };
        let numbers: Vec<u64> = match (record.commit_number, record.version) {
            (Some(0), _) | (None, None) => Vec::new(),
            (Some(number), _) => vec![number],
            (None, Some(version)) => (1..=version).rev().take(TRIED).collect(),
        };
        let reference = |commit_number| CommitReference { stream_id: stream.to_string(), commit_number };
        numbers.into_iter().map(reference).collect()
    }

    /// Where it waits for a person, or did.
    fn parked_key(&self, tenant: &TenantId) -> Option<ParkedKey> {
        let record = self.own_record()?;
        let may_be = matches!(record.outcome, Status::Parked | Status::Discarded) || record.revision > 0;
        parked_key(tenant, &record.context, record).filter(|_| may_be || record.context == OWN)
    }
}
