//! Everything that can be killed or cut, under load; then the invariants, by the public API alone.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use fastrand::Rng;
use serde_json::{Value, json};

use crate::api::{Answer, Client, PATIENCE, fresh, wait_for};
use crate::harm::{Harm, Raised};
use crate::stories::{Outcome, Sent, Story, folded};

/// Nobody else orders for them meanwhile: this test has the stack for itself.
const TENANTS: [&str; 2] = ["bookkeeping", "neighbour"];

/// How long a writer who wants to know what became of a command waits before sending the next one all the same.
const IMPATIENCE: Duration = Duration::from_secs(3);

/// As an operation says it that has not ended.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// Of each tenant.
const WRITERS: usize = 3;

/// Of each writer.
const STORIES: usize = 14;

/// A client of a tenant with its own customers, and all that it sends.
struct Writer {
    tenant: &'static str,
    client: Client,
    stories: Vec<Telling>,
    customer: String,
    random: Rng,
    counts: Counts,
    began: Instant,
}

/// A story, and how far its writer has come.
struct Telling {
    story: Story,
    sent: usize,
    /// Each command was sent when the outcome of the one before was known.
    patient: bool,
    /// The last command's outcome is.
    known: bool,
}

impl Telling {
    fn is_over(&self) -> bool {
        self.sent == self.story.commands.len()
    }
}

#[derive(Debug, Default)]
struct Counts {
    /// Requests whose sender went away before the answer.
    left: usize,
    /// Requests that nobody answered, or with 503.
    unanswered: AtomicUsize,
    /// Commands that took effect in a request whose answer nobody has.
    unheard: usize,
}

impl Writer {
    fn new(tenant: &'static str, customer: &str, stories: Vec<Story>, random: Rng) -> Self {
        // One of four waits for its outcomes.
        let telling = |(index, story)| Telling { story, sent: 0, patient: index % 4 == 0, known: true };
        Self {
            tenant,
            client: Client::of(tenant),
            stories: stories.into_iter().enumerate().map(telling).collect(),
            customer: customer.to_owned(),
            random,
            counts: Counts::default(),
            began: Instant::now(),
        }
    }

    fn send_all(&mut self) {
        loop {
            let mut ready = self.ready();
            if ready.is_empty() {
                return;
            }
            self.random.shuffle(&mut ready);
            ready.truncate(self.random.usize(1..=6));
            if self.random.bool() {
                self.send_batch(&ready);
            } else {
                for index in ready {
                    self.send_alone(index);
                }
            }
        }
    }

    /// Stories that can be gone on with. None when all are over.
    fn ready(&mut self) -> Vec<usize> {
        let started = Instant::now();
        loop {
            for index in 0..self.stories.len() {
                let telling = &self.stories[index];
                let known = telling.known || telling.patient && !telling.is_over() && self.knows_the_last(telling);
                self.stories[index].known = known;
            }
            let goes_on = |telling: &Telling| !telling.is_over() && (telling.known || !telling.patient);
            let ready: Vec<usize> = (0..self.stories.len()).filter(|&index| goes_on(&self.stories[index])).collect();
            if !ready.is_empty() || self.stories.iter().all(Telling::is_over) {
                return ready;
            }
            if started.elapsed() > IMPATIENCE {
                self.stories
                    .iter_mut()
                    .filter(|telling| !telling.is_over())
                    .for_each(|telling| telling.patient = false);
            }
            thread::sleep(Duration::from_millis(100));
        }
    }

    /// Whether the last command's outcome is there. What it changed is read as well: never older than that.
    fn knows_the_last(&self, telling: &Telling) -> bool {
        let last = &telling.story.commands[telling.sent - 1];
        let Some(answer) = self.get(last.operations.last().expect("an operation")) else { return false };
        let operation = answer.expect(200).json();
        if let Some(resource) = operation["resource"]["href"].as_str()
            && let Some(document) = self.get(resource)
        {
            let made = operation["resource"]["version"].as_u64().expect("a version");
            let seen = if document.status == 404 { None } else { Some(version(&document)) };
            assert!(seen.is_none_or(|seen| seen >= made), "asked for {resource}, got {document:?}");
        }
        matches!(operation["status"].as_str(), Some("succeeded" | "rejected"))
    }

    fn get(&self, path: &str) -> Option<Answer> {
        let answer = self.client.attempt("GET", path, &[], "");
        answer.inspect_err(|_| self.unanswered()).ok()
    }

    fn unanswered(&self) {
        self.counts.unanswered.fetch_add(1, Ordering::Relaxed);
    }

    fn send_alone(&mut self, index: usize) {
        let event = self.next(index, 0).event.clone();
        let manner = self.random.u8(..6);
        if manner < 2 {
            self.client.post_and_leave(&event);
            self.counts.left += 1;
        }
        for _ in 0..=usize::from((1..3).contains(&manner)) {
            let answer = self.post("application/cloudevents+json", &event);
            self.next(index, 0).operations.push(answer.header("location").to_owned());
        }
        self.go_on(index);
    }

    /// The next command of each, and of those whose writer does not wait the one after it too.
    fn send_batch(&mut self, stories: &[usize]) {
        let mut places = Vec::new();
        for &index in stories {
            let telling = &self.stories[index];
            let left = telling.story.commands.len() - telling.sent;
            places.extend((0..left.min(if telling.patient { 1 } else { 2 })).map(|ahead| (index, ahead)));
        }
        let events: Vec<Value> = places.iter().map(|&(index, ahead)| self.next(index, ahead).event.clone()).collect();
        for _ in 0..=usize::from(self.random.u8(..4) == 0) {
            let taken = self.post("application/cloudevents-batch+json", &json!(events)).json();
            let operations = taken["operations"].as_array().expect("operations");
            assert_eq!(operations.len(), places.len(), "{taken:#}");
            for (&(index, ahead), operation) in places.iter().zip(operations) {
                let operation = format!("/operations/{}", operation["id"].as_str().expect("an id"));
                self.next(index, ahead).operations.push(operation);
            }
        }
        for (index, _) in places {
            self.go_on(index);
        }
    }

    fn go_on(&mut self, index: usize) {
        let telling = &mut self.stories[index];
        telling.sent += 1;
        telling.known = false;
    }

    fn next(&mut self, index: usize, ahead: usize) -> &mut Sent {
        let telling = &mut self.stories[index];
        &mut telling.story.commands[telling.sent + ahead]
    }

    /// Sends until it is taken.
    fn post(&self, content_type: &str, body: &Value) -> Answer {
        let body = body.to_string();
        let answer = wait_for("an answer to a command", || {
            let answer = self.client.attempt("POST", "/commands", &[("content-type", content_type)], &body);
            answer.inspect_err(|_| self.unanswered())
        });
        answer.expect(202)
    }

    /// Holds everything that was sent to what must have become of it, each story when it has ended. Gives the documents.
    fn check_all(&mut self, redrives: &AtomicUsize) -> Vec<Value> {
        let mut ended = Instant::now();
        let mut documents = Vec::new();
        let mut open: Vec<usize> = (0..self.stories.len()).collect();
        loop {
            let before = open.len();
            let mut on_their_way = Vec::new();
            open.retain(|&index| match self.outcomes(&self.stories[index].story) {
                Ok(outcomes) => {
                    documents.extend(self.check(index, &outcomes, redrives));
                    false
                }
                Err(operation) => {
                    on_their_way.push(operation);
                    true
                }
            });
            if open.is_empty() {
                return documents;
            }
            if open.len() < before {
                ended = Instant::now();
            }
            assert!(ended.elapsed() < PATIENCE, "nothing has ended for {PATIENCE:?}: {on_their_way:#?}");
            thread::sleep(RETRY_AFTER);
        }
    }

    /// The outcome of each command, which is that of all its repeats; or an operation that has not ended.
    fn outcomes(&self, story: &Story) -> Result<Vec<Outcome>, Value> {
        let outcome = |path: &String| {
            let operation = self.client.get(path).expect(200).json();
            match operation["status"].as_str() {
                Some("accepted" | "retrying") => Err(operation),
                _ => Ok(Sent::outcome(&operation)),
            }
        };
        // Those that end last are asked first.
        let of_command = |sent: &Sent| -> Result<Outcome, Value> {
            let outcomes = sent.operations.iter().map(outcome).collect::<Result<Vec<_>, _>>()?;
            assert!(outcomes.iter().all(|outcome| *outcome == outcomes[0]), "{story}, {}: {outcomes:?}", sent.id());
            Ok(outcomes.into_iter().next().expect("an operation"))
        };
        let mut outcomes = story.commands.iter().rev().map(of_command).collect::<Result<Vec<_>, _>>()?;
        outcomes.reverse();
        Ok(outcomes)
    }

    fn check(&mut self, index: usize, outcomes: &[Outcome], redrives: &AtomicUsize) -> Option<Value> {
        let Telling { story, patient, .. } = &self.stories[index];
        // The order of a stream is that in which it was sent, but for what was dead meanwhile.
        // In less time than that nothing can have been received so often; later, the schedule sends back too.
        let no_dead_letters = redrives.load(Ordering::Relaxed) == 0 && self.began.elapsed() < PATIENCE;
        let any_order = !patient && !no_dead_letters;
        let (history, unheard) = self.history(story, outcomes, any_order);
        let document = self.document(story, &history);
        self.counts.unheard += unheard;
        document
    }

    /// The aggregate's events, which are those that its commands caused; and how many of these commands took effect in a
    /// request whose answer nobody has.
    fn history(&self, story: &Story, outcomes: &[Outcome], any_order: bool) -> (Vec<Value>, usize) {
        let answer = self.client.get(&format!("{}/history", story.path()));
        let history = if answer.status == 404 {
            Vec::new()
        } else {
            answer.expect(200).json().as_array().cloned().expect("events")
        };
        let text = |event: &Value, name: &str| event[name].as_str().expect("text").to_owned();
        let told: Vec<_> = history.iter().map(|event| (text(event, "type"), text(event, "correlationid"))).collect();
        let caused = if any_order { story.events_in_any_order(outcomes, &told) } else { story.events(outcomes) };
        let caused = caused.unwrap_or_else(|error| panic!("{error}\n{history:#?}"));
        let caused: Vec<_> = caused.into_iter().map(|(ty, id)| (ty.to_owned(), id.to_owned())).collect();
        assert_eq!(told, caused, "{story}: {outcomes:?}");
        for (event, version) in history.iter().zip(1..) {
            let id = format!("{}{}/{version}", self.tenant, story.path());
            assert_eq!((text(event, "id"), text(event, "sequence")), (id, format!("{version:020}")), "{event:#}");
        }
        let heard = |event: &&Value| {
            let of = |sent: &&Sent| event["correlationid"] == sent.id();
            let sent = story.commands.iter().find(of).expect("a command");
            sent.operations.iter().any(|operation| operation.ends_with(&text(event, "causationid")))
        };
        let unheard = history.len() - history.iter().filter(heard).count();
        (history, unheard)
    }

    /// The aggregate's document, which is what its events add up to.
    fn document(&self, story: &Story, history: &[Value]) -> Option<Value> {
        let (path, newest) = (story.path(), history.len() as u64);
        if newest == 0 {
            assert_eq!(self.client.get(&path).expect(404).problem(), "not-found");
            return None;
        }
        let document = self.client.read(&format!("{path}?version={newest}"));
        assert_eq!(version(&document), newest, "{document:?}");
        assert_eq!(self.client.get(&format!("{path}?version={}", newest + 1)).expect(404).problem(), "not-yet");
        assert_eq!(document.json(), folded(story.collection, history), "{history:#?}");
        Some(document.json())
    }

    /// What is whose: this writer's lists hold its documents, each once, and nothing of it is another tenant's.
    fn check_lists(&self, documents: &[Value]) {
        for (collection, owner) in [("orders", "customer"), ("policies", "holder")] {
            let own: BTreeMap<_, _> = documents
                .iter()
                .filter(|document| document[owner].is_string())
                .map(|document| (id(document), document))
                .collect();
            wait_for(&format!("the {collection} of {}", self.customer), || {
                let listed = self.list(&format!("/{collection}?{owner}={}", self.customer));
                let fits = listed.len() == own.len() && listed.iter().all(|item| own.get(&id(item)) == Some(&item));
                if fits { Ok(()) } else { Err(format!("{listed:#?}\ninstead of {own:#?}")) }
            });
        }
    }

    fn list(&self, path: &str) -> Vec<Value> {
        let (mut items, mut next) = (Vec::new(), Some(format!("{path}&limit=100")));
        while let Some(part) = next {
            let page = self.client.get(&part).expect(200).json();
            items.extend(page["items"].as_array().expect("items").iter().cloned());
            next = page["next"].as_str().map(|cursor| format!("{path}&limit=100&cursor={cursor}"));
        }
        items
    }

    fn shares(&self, other: &Self) -> bool {
        self.stories[0].story.aggregate == other.stories[0].story.aggregate
    }

    /// Another tenant's client finds nothing of what only this tenant has.
    fn check_hidden(&self, stranger: &Client) {
        // A part of them will do.
        for Telling { story, .. } in self.stories.iter().step_by(3) {
            let operation = &story.commands[0].operations[0];
            let operation = operation.strip_prefix(&self.client.url).unwrap_or(operation);
            for path in [&story.path(), &format!("{}/history", story.path()), operation] {
                assert_eq!(stranger.get(path).expect(404).problem(), "not-found", "{path}");
            }
        }
    }
}

fn summary(writers: &[Writer]) -> String {
    let sum = |of: fn(&Writer) -> usize| writers.iter().map(of).sum::<usize>();
    let sent =
        |writer: &Writer| writer.stories.iter().flat_map(|telling| telling.story.commands.clone()).collect::<Vec<_>>();
    let commands: Vec<Sent> = writers.iter().flat_map(sent).collect();
    let repeats: usize = commands.iter().map(|sent| sent.operations.len() - 1).sum();
    let patient = sum(|writer| writer.stories.iter().filter(|telling| telling.patient).count());
    format!(
        "{} commands of {} clients, {patient} of {} aggregates waited for in between; {} requests left by their sender, {} \
         not answered; {repeats} repeats taken, and none had an effect; {} commands had theirs in a request whose answer \
         nobody has",
        commands.len(),
        writers.len(),
        sum(|writer| writer.stories.len()),
        sum(|writer| writer.counts.left),
        sum(|writer| writer.counts.unanswered.load(Ordering::Relaxed)),
        sum(|writer| writer.counts.unheard),
    )
}

fn id(document: &Value) -> String {
    document["id"].as_str().expect("an id").to_owned()
}

/// By its `ETag`.
fn version(document: &Answer) -> u64 {
    let version = document.header("etag").trim_matches('"').split('.').next().and_then(|version| version.parse().ok());
    version.unwrap_or_else(|| panic!("no version in {document:?}"))
}

/// Writers of both tenants, half of them with the same ids in both.
fn writers(random: &mut Rng) -> Vec<Writer> {
    let wanted = fresh("N").to_uppercase();
    let mut writers = Vec::new();
    for index in 0..WRITERS {
        let customer = fresh("C");
        let mut plan = || -> Vec<Story> {
            // All but one policy in three want a number of their own.
            let number = |course| if course % 3 == 0 { wanted.clone() } else { fresh("N").to_uppercase() };
            let story = |course: usize| match course % 4 {
                3 => Story::of_policy(course / 4, &customer, &number(course / 4)),
                _ => Story::of_order(course, &customer),
            };
            let start = random.usize(..84);
            (start..start + STORIES).map(story).collect()
        };
        let shared = plan();
        for tenant in TENANTS {
            let stories = if index % 2 == 0 { shared.clone() } else { plan() };
            writers.push((tenant, customer.clone(), stories));
        }
    }
    writers
        .into_iter()
        .map(|(tenant, customer, stories)| Writer::new(tenant, &customer, stories, random.fork()))
        .collect()
}

/// Looks at the dead letters and sends them back, until it is over; counts how many went back.
fn operate(redrives: &AtomicUsize, over: &AtomicBool) {
    let operator = Client::operator("platform");
    while !over.load(Ordering::Relaxed) {
        // Whether it answers is not what this is about.
        let _ = operator.attempt("GET", "/dead-letters", &[], "");
        if let Ok(report) = operator.attempt("POST", "/redrive", &[("content-type", "application/json")], "{}") {
            let report = report.expect(200).json();
            let of = |queue: &Value| queue["redriven"].as_u64().and_then(|count| usize::try_from(count).ok());
            let sent_back: usize = report["queues"].as_array().expect("queues").iter().filter_map(of).sum();
            redrives.fetch_add(sent_back, Ordering::Relaxed);
        }
        thread::sleep(Duration::from_millis(500));
    }
}

fn totals(tenant: &str) -> BTreeMap<String, i64> {
    let client = Client::of(tenant);
    let of = |collection: &str| client.get(&format!("/reports/{collection}")).expect(200).json()["totals"].clone();
    let number = |value: &Value| value.as_i64().expect("a number");
    let named = |collection: &str| -> Vec<(String, i64)> {
        let totals = of(collection);
        let totals = totals.as_object().expect("totals").iter();
        totals.map(|(name, value)| (format!("{collection} {name}"), number(value))).collect()
    };
    ["orders", "policies"].into_iter().flat_map(named).collect()
}

/// These totals and what the documents add to them.
fn with(mut totals: BTreeMap<String, i64>, documents: &[Value]) -> BTreeMap<String, i64> {
    for document in documents {
        let status = document["status"].as_str().expect("a status");
        let collection = if document["lines"].is_array() { "orders" } else { "policies" };
        *totals.entry(format!("{collection} {status}")).or_default() += 1;
        if collection == "orders" && status != "cancelled" {
            let amount = document["total"]["amount"].as_i64().expect("an amount");
            *totals.entry("orders amount:EUR".to_owned()).or_default() += amount;
        }
    }
    totals.retain(|_, count| *count != 0);
    totals
}

/// Of those who wanted the same number in a tenant, one has it.
fn check_numbers(writers: &[&Writer], documents: &[Value]) {
    let number = |sent: &Sent| sent.event["data"]["number"].as_str().map(str::to_owned);
    let commands = writers.iter().flat_map(|writer| &writer.stories).flat_map(|telling| &telling.story.commands);
    let wanted: BTreeSet<String> = commands.filter_map(number).collect();
    let bound: Vec<_> = documents.iter().filter_map(|document| document["number"].as_str()).collect();
    let once: BTreeSet<String> = bound.iter().map(|&number| number.to_owned()).collect();
    assert_eq!((bound.len(), once), (wanted.len(), wanted), "{bound:?}");
}

fn check_nothing_is_parked(writers: &[Writer]) {
    let ours: BTreeSet<&str> =
        writers.iter().flat_map(|writer| &writer.stories).map(|telling| telling.story.aggregate.as_str()).collect();
    let operator = Client::operator("platform");
    for context in ["orders", "policies"] {
        let mut next = Some(format!("/parked?context={context}&limit=100"));
        while let Some(part) = next {
            let page = operator.get(&part).expect(200).json();
            let items = page["items"].as_array().expect("items");
            let found = items.iter().find(|item| item["subject"].as_str().is_some_and(|id| ours.contains(id)));
            assert!(found.is_none(), "parked: {found:#?}");
            next = page["next"].as_str().map(|cursor| format!("/parked?context={context}&limit=100&cursor={cursor}"));
        }
    }
}

#[test]
fn whatever_is_killed_and_cut_under_load_all_invariants_hold() {
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    let before = TENANTS.map(totals);
    let mut writers = writers(&mut Rng::with_seed(seed));
    let started = Instant::now();
    let (sent, ended, redrives) = (AtomicBool::new(false), AtomicBool::new(false), AtomicUsize::new(0));
    let (harm, sending, documents) = thread::scope(|scope| {
        let (at_sent, at_ended) = (Raised(&sent), Raised(&ended));
        let killer = scope.spawn(|| Harm::until(&sent));
        scope.spawn(|| operate(&redrives, &ended));
        each(&mut writers, Writer::send_all);
        let sending = started.elapsed();
        drop(at_sent);
        let harm = killer.join().expect("the killer comes back");
        let documents = each(&mut writers, |writer| writer.check_all(&redrives));
        drop(at_ended);
        (harm, sending, documents)
    });
    println!(
        "{}\n{harm}\nsent in {sending:.1?}, all ended after {:.1?}; {} dead letters sent back",
        summary(&writers),
        started.elapsed(),
        redrives.load(Ordering::Relaxed)
    );

    for (tenant, before) in TENANTS.into_iter().zip(before) {
        let (whose, documents): (Vec<_>, Vec<_>) =
            writers.iter().zip(&documents).filter(|(writer, _)| writer.tenant == tenant).unzip();
        let documents: Vec<Value> = documents.into_iter().flatten().cloned().collect();
        check_numbers(&whose, &documents);
        let (now, expected) = (totals(tenant), with(before, &documents));
        assert_eq!(with(now, &[]), expected, "the totals of {tenant}");
    }
    for (writer, documents) in writers.iter().zip(&documents) {
        writer.check_lists(documents);
    }
    let unshared =
        |writer: &&Writer| !writers.iter().any(|other| writer.tenant != other.tenant && writer.shares(other));
    for writer in writers.iter().filter(unshared) {
        let stranger = TENANTS.into_iter().find(|tenant| *tenant != writer.tenant).expect("another tenant");
        writer.check_hidden(&Client::of(stranger));
    }
    check_nothing_is_parked(&writers);
    assert!(harm.cut > 0 && harm.kills.values().all(|kills| *kills > 0), "{harm}");
    println!("checked after {:.1?}", started.elapsed());
}

/// Does something with all of them at once; gives what came of it, in order.
fn each<T: Send>(writers: &mut [Writer], work: impl Fn(&mut Writer) -> T + Sync) -> Vec<T> {
    thread::scope(|scope| {
        let all: Vec<_> = writers.iter_mut().map(|writer| scope.spawn(|| work(writer))).collect();
        all.into_iter().map(|writer| writer.join().expect("a writer comes back")).collect()
    })
}
