//! What happened, as it is seen from outside: by clients, in queues, in tables. It notices at once what must never
//! happen, tells a command's life, and has a hash that two equal runs have in common.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt::Write as _;

use kernel::command::{Command, PrincipalKind};
use kernel::ids::TenantId;
use kernel::receipt::Receipt;
use kernel::timestamp::Timestamp;
use serde_json::Value;
use testkit::{Effect, TABLES};

use crate::chaos::DAMAGED;
use crate::read_models::Reads;
use crate::rules::Kind;

/// What was sent under an id: once, or more than once with different content.
#[derive(Debug, Default)]
pub struct Content {
    pub digest: String,
    pub stream: String,
    /// The only version of its aggregate that it may change.
    pub expected_version: Option<u64>,
    /// What its event must say, in these words of JSON.
    pub says: Vec<String>,
    /// Its place in its queue.
    pub first_sequence: Option<u128>,
    /// As it was queued first, of a context whose decider is asked about it.
    pub message: Option<String>,
}

/// A command: what was sent under one (tenant, source, id), or by the installation itself, and what became of it.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "where a command has been, and each says so by itself")]
pub struct Known {
    pub tenant: TenantId,
    pub ty: String,
    pub kind: Kind,
    /// The first one is what its client meant by it.
    pub contents: Vec<Content>,
    /// Which of them it is, as far as that is decided.
    pub content: usize,
    /// What was sent by one client, in the order of commands, each when the one before was accepted. `None`: the installation
    /// has sent it.
    pub turn: Option<usize>,
    /// Receipts that clients were given. More than one, if it was sent more than once.
    pub receipts: Vec<String>,
    /// By receipt, how the client saw it end.
    pub seen: BTreeMap<String, String>,
    pub dead_lettered: bool,
    pub parked: bool,
    /// It came back from there: by redrive, or by an operator.
    pub redriven: bool,
    pub resubmitted: bool,
    pub discarded: bool,
    /// In which order it took effect, and as what.
    pub effect: Option<(u64, &'static str)>,
}

impl Known {
    fn new(tenant: &TenantId, kind: Kind, ty: &str, turn: Option<usize>, content: Content) -> Self {
        Self {
            tenant: tenant.clone(),
            ty: ty.to_owned(),
            kind,
            contents: vec![content],
            content: 0,
            turn,
            receipts: Vec::new(),
            seen: BTreeMap::new(),
            dead_lettered: false,
            parked: false,
            redriven: false,
            resubmitted: false,
            discarded: false,
            effect: None,
        }
    }

    /// One that the installation hands in.
    fn of_system(command: &Command) -> Self {
        let (stream, digest) = (command.stream.to_string(), command.receipt.digest.to_string());
        let (ty, content) = (command.event.ty(), Content { digest, stream, ..Content::default() });
        let mut known = Self::new(&command.stream.tenant, Kind::of_system(ty), ty, None, content);
        known.receipts.push(command.receipt.to_string());
        known
    }

    pub fn content(&self) -> &Content {
        &self.contents[self.content]
    }

    pub fn stream(&self) -> &str {
        &self.content().stream
    }

    /// Why it was rejected.
    pub fn reason<'a>(&self, reasons: &'a BTreeMap<String, String>) -> &'a str {
        let receipt = self.receipts.first().and_then(|receipt| Receipt::read(receipt));
        let key = receipt.map(|receipt| format!("{}#{}", self.tenant, receipt.command_key));
        key.and_then(|key| reasons.get(&key)).map(String::as_str).unwrap_or_default()
    }

    fn decided(&mut self, digest: &str) -> bool {
        let content = self.contents.iter().position(|content| content.digest == digest);
        content.map(|content| self.content = content).is_some()
    }
}

struct Entry {
    at: u64,
    command: u32,
    what: Cow<'static, str>,
}

#[derive(Default)]
pub struct Journal {
    pub known: Vec<Known>,
    by_key: HashMap<String, u32>,
    entries: Vec<Entry>,
    hash: u64,
    pub now: u64,
    /// What a clock may say at most at the beginning, in milliseconds since 1970.
    pub began: u64,
    /// How many calls to AWS and to the payment provider there were.
    pub calls: u64,
    effects: u64,
    /// The newest commit of each stream.
    commits: HashMap<String, u64>,
    tokens: HashSet<String>,
    /// What must never happen, and did.
    pub violations: Vec<(Option<u32>, String)>,
    /// Records of the stream that were read again.
    pub rewound: usize,
    /// Actions of operators that were refused because others had acted.
    pub conflicts: usize,
    /// What nobody can read and nobody has got yet.
    pub poison: HashSet<String>,
    /// Documents that clients have read.
    pub reads: Reads,
    /// How many events are stored, by type and version.
    pub versions: BTreeMap<(String, u32), usize>,
    /// How many commands expected a version that was there, and one that was not.
    pub expectations: BTreeMap<bool, usize>,
    pub counts: BTreeMap<&'static str, u64>,
    pub took_effect: BTreeMap<&'static str, u64>,
}

impl Journal {
    /// A command that a client is about to send.
    pub fn command(
        &mut self,
        key: String,
        tenant: &TenantId,
        (kind, ty): (Kind, &str),
        turn: usize,
        content: Content,
    ) -> u32 {
        self.add(key, Known::new(tenant, kind, ty, Some(turn), content))
    }

    fn add(&mut self, key: String, known: Known) -> u32 {
        let number = u32::try_from(self.known.len()).expect("fewer than four thousand million");
        self.by_key.insert(key, number);
        self.known.push(known);
        number
    }

    /// How many commands are of clients.
    pub fn of_clients(&self) -> usize {
        self.known.iter().filter(|known| known.turn.is_some()).count()
    }

    /// The keys of what the installation has sent, and which commands they are.
    pub fn of_system(&self) -> BTreeMap<&str, u32> {
        let of_system = |(_, number): &(&String, &u32)| self.known[**number as usize].turn.is_none();
        self.by_key.iter().filter(of_system).map(|(key, number)| (key.as_str(), *number)).collect()
    }

    /// The command with this key.
    pub fn find(&self, key: &str) -> Option<u32> {
        self.by_key.get(key).copied()
    }

    /// The command that a message is or comes from, and the digest of its content.
    pub fn of_message(&self, body: &str) -> Option<(u32, String)> {
        let receipt = receipt_in(body)?;
        Some((self.find(&receipt.command_key.to_string())?, receipt.digest.to_string()))
    }

    pub fn say(&mut self, command: Option<u32>, what: impl Into<Cow<'static, str>>) {
        let what = what.into();
        self.mix(what.as_bytes());
        if let Some(command) = command {
            self.mix(&command.to_le_bytes());
            self.entries.push(Entry { at: self.now, command, what });
        }
    }

    /// Makes it part of what two equal runs have in common.
    pub fn mix(&mut self, bytes: &[u8]) {
        for byte in bytes.iter().chain(&self.now.to_le_bytes()) {
            self.hash = (self.hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3).rotate_left(5);
        }
    }

    /// What a clock may say at most now.
    fn latest_now(&self) -> Timestamp {
        Timestamp::from_millis(self.began + self.now)
    }

    pub fn hash(&self) -> u64 {
        self.hash
    }

    pub fn longest_stream(&self) -> usize {
        self.commits.values().max().copied().map_or(0, |commits| usize::try_from(commits).unwrap_or(usize::MAX))
    }

    pub fn count(&mut self, fault: &'static str) {
        *self.counts.entry(fault).or_default() += 1;
    }

    pub fn took(&mut self, fault: &'static str) {
        *self.took_effect.entry(fault).or_default() += 1;
    }

    #[track_caller]
    pub fn violation(&mut self, command: Option<u32>, what: impl Into<String>) {
        let what = format!("at {}, after {} calls: {}", clock(self.now), self.calls, what.into());
        self.say(command, format!("!! {what}"));
        self.violations.push((command, what));
    }

    /// A command's life, a line each.
    pub fn life(&self, command: u32) -> String {
        let known = &self.known[command as usize];
        let mut life = format!("command {command}: {} on {}\n", known.ty, known.stream());
        for entry in self.entries.iter().filter(|entry| entry.command == command) {
            let _ = writeln!(life, "  {:>13}  {}", clock(entry.at), entry.what);
        }
        life
    }

    /// The lives of all commands of a stream.
    pub fn lives(&self, stream: &str) -> String {
        let of_stream = self.known.iter().enumerate().filter(|(_, known)| known.stream() == stream);
        of_stream.map(|(command, _)| self.life(u32::try_from(command).unwrap_or_default())).take(12).collect()
    }

    /// Looks at a call that had its effect.
    pub fn see(&mut self, effect: &Effect<'_>) {
        match effect.operation {
            "TransactWriteItems" if effect.status == 200 => self.transaction(effect.body),
            "SendMessage" | "SendMessageBatch" if effect.status == 200 => self.sent(effect.body, effect.answer),
            _ => {}
        }
    }

    fn transaction(&mut self, body: &str) {
        let of_interest = [TABLES.events, TABLES.operations, TABLES.parked];
        if !of_interest.iter().any(|table| body.contains(&format!("\"TableName\":\"{table}\""))) {
            return;
        }
        let body: Value = serde_json::from_str(body).unwrap_or_default();
        // Written again under the same token, it is what it was.
        let token = body["ClientRequestToken"].as_str().expect("the SDK gives each transaction a token");
        if !self.tokens.insert(token.to_owned()) {
            return;
        }
        for action in body["TransactItems"].as_array().into_iter().flatten() {
            let put = &action["Put"];
            match put["TableName"].as_str() {
                Some(table) if table == TABLES.events => self.commit(&put["Item"]),
                Some(table) if table == TABLES.operations => self.operation(&put["Item"]),
                _ => self.update(&action["Update"]),
            }
        }
    }

    fn commit(&mut self, item: &Value) {
        let stream = item["stream_id"]["S"].as_str().unwrap_or_default().to_owned();
        let number = item["commit_number"]["N"].as_str().and_then(|number| number.parse().ok());
        let number: u64 = number.expect("a commit has a number");
        let newest = self.commits.entry(stream.clone()).or_default();
        let before = std::mem::replace(newest, number);
        if number != before + 1 {
            self.violation(None, format!("stream {stream}: commit {number} was written after commit {before}"));
        }
    }

    fn operation(&mut self, item: &Value) {
        let key = item["operation_key"]["S"].as_str().unwrap_or_default();
        let Some(command) = self.command_of(key) else {
            return self.violation(None, format!("nobody ever sent the command of {key}"));
        };
        if !self.known[command as usize].decided(item["digest"]["S"].as_str().unwrap_or_default()) {
            self.violation(Some(command), "an outcome of content that nobody sent");
        }
        match item["outcome"]["S"].as_str().unwrap_or_default() {
            "succeeded" => self.effect(command, "succeeded"),
            "rejected" => self.effect(command, "rejected"),
            "parked" => {
                if !std::mem::replace(&mut self.known[command as usize].parked, true)
                    && item["problem"]["S"].as_str().is_some_and(|problem| problem.contains("unreadable"))
                {
                    self.took(DAMAGED);
                }
                self.say(Some(command), "parked");
            }
            other => self.say(Some(command), format!("on record as {other}")),
        }
    }

    fn effect(&mut self, command: u32, outcome: &'static str) {
        self.effects += 1;
        let nth = self.effects;
        self.say(Some(command), outcome);
        let known = &mut self.known[command as usize];
        let (before, discarded) = (known.effect.replace((nth, outcome)), known.discarded);
        if let Some((_, before)) = before {
            self.violation(Some(command), format!("it took effect twice: {before}, then {outcome}"));
        }
        if discarded {
            self.violation(Some(command), format!("it {outcome} after it was discarded"));
        }
    }

    fn update(&mut self, update: &Value) {
        if update["TableName"] != TABLES.operations {
            return;
        }
        let Some(command) = self.command_of(update["Key"]["operation_key"]["S"].as_str().unwrap_or_default()) else {
            return;
        };
        let values = &update["ExpressionAttributeValues"];
        if values[":discarded"].is_object() {
            let known = &mut self.known[command as usize];
            known.discarded = true;
            if let Some((_, outcome)) = known.effect {
                self.violation(Some(command), format!("it was discarded after it {outcome}"));
            }
            self.say(Some(command), "discarded");
        } else if values[":retrying"].is_object() {
            self.known[command as usize].resubmitted = true;
            self.say(Some(command), "resubmitted by an operator");
        }
    }

    fn command_of(&self, operation_key: &str) -> Option<u32> {
        let (_, key) = operation_key.split_once('#')?;
        self.find(key)
    }

    /// Looks at what is sent to a queue of commands or to its dead letters.
    fn sent(&mut self, body: &str, answer: &str) {
        if !body.contains("-commands.fifo") && !body.contains("-dead-letters.fifo") {
            return;
        }
        let [body, answer] = [body, answer].map(|text| serde_json::from_str::<Value>(text).expect("JSON"));
        let taken: Vec<&Value> =
            answer["Successful"].as_array().into_iter().flatten().map(|entry| &entry["Id"]).collect();
        let entries = body["Entries"].as_array().into_iter().flatten().filter(|entry| taken.contains(&&entry["Id"]));
        // One that is sent alone is its own entry.
        let messages = entries.chain([&body]).filter_map(|entry| entry["MessageBody"].as_str());
        let queue = body["QueueUrl"].as_str().and_then(|url| url.rsplit('/').next()).unwrap_or_default();
        for message in messages {
            match queue.strip_suffix("-commands.fifo") {
                Some(context) => self.queued(context, message),
                // It may be late from now on, unless it took effect before.
                None => {
                    if let Some((command, _)) = self.of_message(message) {
                        self.dead_lettered(command);
                    }
                }
            }
        }
    }

    /// A command is in its queue, for the first time or again.
    fn queued(&mut self, context: &str, message: &str) {
        let Ok(command) = Command::open(message.as_bytes(), context) else { return };
        let (key, digest) = (command.receipt.command_key.to_string(), command.receipt.digest.to_string());
        let is_system = command.principal.kind == PrincipalKind::System;
        let Some(number) = self.find(&key).or_else(|| is_system.then(|| self.add(key, Known::of_system(&command))))
        else {
            return self.violation(None, format!("nobody ever sent {message}"));
        };
        if is_system {
            self.say(Some(number), "queued");
            if command.receipt.accepted_at > self.latest_now() {
                self.violation(Some(number), format!("it is queued before its time, {}", command.receipt.accepted_at));
            }
        }
        let known = &mut self.known[number as usize];
        let same = known.contents.iter_mut().find(|content| content.digest == digest);
        if let Some(same) = same.filter(|_| known.kind == Kind::Other) {
            same.message.get_or_insert_with(|| message.to_owned());
        }
    }

    pub fn dead_lettered(&mut self, command: u32) {
        let known = &mut self.known[command as usize];
        if known.effect.is_none() {
            known.dead_lettered = true;
            self.say(Some(command), "among the dead letters");
        }
    }
}

fn clock(millis: u64) -> String {
    format!("{}.{:03} s", millis / 1000, millis % 1000)
}

/// The operation's id in a command's or an event's JSON.
fn receipt_in(body: &str) -> Option<Receipt> {
    let (_, rest) = body.split_once("\"operationid\":\"")?;
    Receipt::read(rest.split('"').next()?)
}
