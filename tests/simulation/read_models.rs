//! Every document is what the events make of it, and so was everything that clients have read; and a customer's overview is
//! what all their streams contribute.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use bench::{Answer, layouts};
use kernel::context::ReadModel;
use kernel::domain_event::RecordedEvent;
use kernel::ids::{AggregateId, StreamId};
use kernel::overview::Contributions;
use kernel::projection::Listing;
use testkit::TABLES;

use crate::check::Streams;
use crate::clients::get;
use crate::http::version;
use crate::world::World;

/// Documents that clients have read.
#[derive(Default)]
pub struct Reads {
    /// By tenant and path.
    newest: BTreeMap<(String, String), u64>,
    /// By tenant, path, version and layout: hashes of what was read.
    texts: BTreeMap<(String, String, u64, u32), BTreeSet<u64>>,
}

impl Reads {
    /// The newest version that was read so far.
    pub fn newest(&self, tenant: &str, path: &str) -> u64 {
        self.newest.get(&(tenant.to_owned(), path.to_owned())).copied().unwrap_or_default()
    }

    pub fn add(&mut self, tenant: &str, path: &str, document: &Answer) {
        let Some(version) = version(document) else { return };
        let tag = document.header("etag").trim_matches('"');
        let layout = tag.split('.').nth(1).map_or(1, |layout| layout.parse().unwrap_or_default());
        let newest = self.newest.entry((tenant.to_owned(), path.to_owned())).or_default();
        *newest = version.max(*newest);
        let key = (tenant.to_owned(), path.to_owned(), version, layout);
        self.texts.entry(key).or_default().insert(hash(&document.text));
    }

    /// How many documents below a path were read in which layout.
    pub fn layouts(&self, below: &str) -> BTreeMap<u32, usize> {
        let mut layouts = BTreeMap::new();
        for (.., layout) in self.texts.keys().filter(|(_, path, ..)| path.starts_with(below)) {
            *layouts.entry(*layout).or_default() += 1;
        }
        layouts
    }
}

fn hash(text: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    hasher.finish()
}

/// A document, and where lists find it.
#[derive(Debug, PartialEq)]
struct Document {
    layout: u64,
    owner: String,
    state: String,
    place: String,
    text: String,
}

/// What the events make of a document, and the versions that it may be at: an event that it does not hear need not be in it.
struct Expected {
    document: Document,
    least: u64,
    most: u64,
}

fn expected(stream: &StreamId, read_model: &dyn ReadModel, events: &[RecordedEvent]) -> Option<Expected> {
    let heard = events.iter().rfind(|event| read_model.hears(&event.event.ty))?;
    let projected = read_model.project(None, events).expect("a document");
    let partition = format!("{}#{}", stream.tenant, read_model.collection());
    let Listing { owner, state, time } = projected.listing;
    let document = Document {
        layout: read_model.layout().into(),
        owner: format!("{partition}#{owner}"),
        state: if state.is_empty() { String::new() } else { format!("{partition}#{state}#") },
        place: format!("{time}#{}", stream.aggregate),
        text: projected.document,
    };
    Some(Expected { document, least: heard.version, most: events.len() as u64 })
}

pub async fn are_the_fold(world: &World, events: &Streams) {
    documents(world, events);
    reads(world, events);
    overviews(world, events).await;
}

fn documents(world: &World, events: &Streams) {
    let mut documents: BTreeMap<(String, String), Expected> = BTreeMap::new();
    for events in events.values() {
        let stream = &events[0].stream;
        for read_model in catalog::read_models_of(stream).expect("a type of aggregate") {
            if let Some(expected) = expected(stream, read_model, events) {
                let key = (format!("{}#{}", stream.tenant, read_model.collection()), stream.aggregate.to_string());
                documents.insert(key, expected);
            }
        }
    }
    let mut journal = world.chaos.journal();
    for row in world.aws.items(TABLES.read_models) {
        let text = |name: &str| row[name].as_str().unwrap_or_default().to_owned();
        let key = (text("collection_key"), text("id"));
        if key.0.contains("#totals#") {
            continue;
        }
        let state = text("state_key");
        let actual = Document {
            layout: row["layout"].as_u64().unwrap_or(1),
            owner: text("owner_key"),
            // Up to its shard.
            state: state.rfind('#').map_or_else(String::new, |end| state[..=end].to_owned()),
            place: text("list_sort"),
            text: text("document"),
        };
        let version = row["version"].as_u64().expect("a version");
        match documents.remove(&key) {
            Some(Expected { document, least, most }) if document == actual && (least..=most).contains(&version) => {}
            other => {
                let other = other.map(|expected| (expected.document, expected.most));
                let what = format!("the document {key:?} is {actual:?} at {version} and should be {other:?}");
                journal.violation(None, what);
            }
        }
    }
    for missing in documents.keys() {
        journal.violation(None, format!("the document {missing:?} is missing"));
    }
}

/// Whatever was read was right, in the layout that its entity tag says.
fn reads(world: &World, events: &Streams) {
    let mut journal = world.chaos.journal();
    let texts = journal.reads.texts.clone();
    for ((tenant, path, version, layout), texts) in texts {
        let mut segments = path.trim_start_matches('/').split(['/', '?']);
        let (collection, id) = (segments.next().unwrap_or_default(), segments.next().unwrap_or_default());
        let owned = [catalog::read_model, layouts::read_model].into_iter().filter_map(|find| find(collection));
        let owned = owned.into_iter().find(|owned| owned.read_model.layout() == layout).expect("a known layout");
        let aggregate = AggregateId::parse(id).expect("an id");
        let tenant = kernel::ids::TenantId::parse(&tenant).expect("a tenant");
        let stream = owned.context.stream(owned.aggregate_type, tenant, aggregate).to_string();
        let events = events.get(&stream).map(Vec::as_slice).unwrap_or_default();
        let up_to_it: Vec<_> = events.iter().take_while(|event| event.version <= version).cloned().collect();
        let folded = owned.read_model.project(None, &up_to_it).expect("a document");
        if texts != BTreeSet::from([hash(&folded.document)]) {
            let what = format!("{path} of {stream} was read otherwise than {} at {version}.{layout}", folded.document);
            journal.violation(None, what);
        }
    }
}

/// Its place in lists, its collection and its text.
type Contribution = (String, &'static str, String);

/// By tenant and owner, what all streams contribute.
async fn overviews(world: &World, events: &Streams) {
    for overview in catalog::OVERVIEWS {
        let mut owners: BTreeMap<(String, String), Vec<Contribution>> = BTreeMap::new();
        for events in events.values() {
            let stream = &events[0].stream;
            let read_models = catalog::read_models_of(stream).expect("a type of aggregate");
            let of_it = |name: &str| name.split('/').next() == Some(overview.collection) && name.contains('/');
            for read_model in read_models.into_iter().filter(|read_model| of_it(read_model.collection())) {
                if let Some(Expected { document, .. }) = expected(stream, read_model, events) {
                    let owner = read_model.project(None, events).expect("a document").listing.owner;
                    let all = owners.entry((stream.tenant.to_string(), owner)).or_default();
                    all.push((document.place, read_model.collection(), document.text));
                }
            }
        }
        for ((tenant, owner), mut all) in owners {
            all.sort_by(|a, b| b.cmp(a)); // newest first
            let documents = all.into_iter().map(|(_, collection, text)| (collection, text)).collect();
            let contributions = Contributions::of_documents(documents, true);
            let id = AggregateId::parse(&owner).expect("an id");
            let merged = overview.merge(&id, &contributions).expect("an overview");
            let answer = get(world, &tenant, &format!("/{}/{owner}", overview.collection)).await;
            if answer.as_ref().map(|answer| answer.text.as_str()) != Some(&*merged) {
                let what = format!("{}/{owner} of {tenant} is {answer:?} and should be {merged}", overview.collection);
                world.chaos.journal().violation(None, what);
            }
        }
    }
}
