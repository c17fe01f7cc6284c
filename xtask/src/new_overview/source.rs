//! Of what streams an overview is made: the events of a type of aggregate, and which of them say whose an aggregate is.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use crate::scaffold::events::{Declared, declared};
use crate::scaffold::{capitalised, read};

/// What a stream contributes.
pub const FILE: (&str, &str) =
    ("shared/overviews/__name__/src/__types__.rs", include_str!("../../templates/overview/src/source.rs"));

/// Of an aggregate's id in a schema, as the kernel has it: a client can ask for no other owner.
const ID: &str = "^[A-Za-z0-9._~:@-]{1,64}$";

/// A type of aggregate.
pub struct Source {
    context: String,
    /// `None`: the context's first.
    aggregate_type: Option<String>,
    /// The member of events that says whose an aggregate is.
    owner: String,
    events: Vec<Event>,
}

struct Event {
    name: String,
    /// The newest first.
    versions: Vec<u32>,
    /// Whether it has the owner.
    is_owned: bool,
}

impl Source {
    /// `of` is a context, or `context/type`. Its owner is the first of the members `owners` that an event of it has.
    pub fn find(root: &Path, of: &str, owners: &[String]) -> Result<Self> {
        let (context, aggregate_type) = match of.split_once('/') {
            Some((context, aggregate_type)) => (context, Some(aggregate_type)),
            None => (of, None),
        };
        let is_name = |name: &str| !name.is_empty() && name.bytes().all(|b| b.is_ascii_lowercase());
        let source = root.join("shared/contexts").join(context).join("src");
        if !is_name(context) || !source.exists() {
            bail!("there is no context {context:?}");
        }
        let file = match aggregate_type {
            None => source.join("events.rs"),
            Some(ty) => source.join(ty).join("events.rs"),
        };
        if !aggregate_type.is_none_or(is_name) || !file.exists() {
            bail!("{context} has no such type of aggregate beside its first, or no file of its events: {of}");
        }
        let events = declared(&read(&file)?);
        let events = events.with_context(|| format!("{} does not declare events as usual", file.display()))?;
        let schemas = root.join("events/schemas").join(context);
        let ids = events.iter().map(|event| ids(&schemas, event)).collect::<Result<Vec<_>>>()?;
        let Some(owner) = owners.iter().find(|owner| ids.iter().any(|ids| ids.contains(*owner))) else {
            let known: BTreeSet<&str> = ids.iter().flatten().map(String::as_str).collect();
            let known = known.into_iter().collect::<Vec<_>>().join(", ");
            bail!(
                "no event of {of} has an owner {}: a required member that is an aggregate's id, in all versions; there are: {}",
                owners.join(" or "),
                if known.is_empty() { "none" } else { &known },
            );
        };
        let event = |(Declared { name, versions, .. }, ids): (Declared, BTreeSet<String>)| Event {
            name,
            versions,
            is_owned: ids.contains(owner),
        };
        Ok(Self {
            context: context.to_owned(),
            aggregate_type: aggregate_type.map(str::to_owned),
            owner: owner.clone(),
            events: events.into_iter().zip(ids).map(event).collect(),
        })
    }

    /// The name of the type of aggregate.
    pub fn types(&self) -> &str {
        self.aggregate_type.as_deref().unwrap_or(&self.context)
    }

    /// Puts the source into `text` for `__types__`, `__Types__`, `__context__`, and where its events stand.
    pub fn fill_in(&self, text: &str) -> String {
        let declared = self.events.iter().map(Event::declared).collect::<Vec<_>>().join("\n        ");
        let payloads = self.events.iter().map(|event| event.payload(&self.owner)).collect::<Vec<_>>().join("\n\n");
        text.replace("__types__", self.types())
            .replace("__Types__", &capitalised(self.types()))
            .replace("__context__", &self.context)
            .replace("__declared__", &declared)
            .replace("__payloads__", &payloads)
            .replace("__owners__", &self.owners())
    }

    /// The arms of a match that gives the owner.
    fn owners(&self) -> String {
        let arm = |is_owned: bool, pattern: &str, value: &str| {
            let events = self.events.iter().filter(|event| event.is_owned == is_owned);
            let patterns: Vec<_> = events
                .map(|event| format!("Event::{}({})", event.name, pattern.replace("__Event__", &event.name)))
                .collect();
            if patterns.is_empty() { String::new() } else { format!("{} => {value},", patterns.join(" | ")) }
        };
        arm(true, "__Event__ { owner }", "Some(owner)") + &arm(false, "_", "None")
    }

    /// What a stream of it contributes, in a test; and the name of its last event.
    fn contribution(&self) -> (String, &str) {
        let stream = match &self.aggregate_type {
            None => format!("acme/{}/1", self.context),
            Some(ty) => format!("acme/{}/{ty}/1", self.context),
        };
        let first = |is_owned| self.events.iter().find(|event| event.is_owned == is_owned);
        let events: Vec<&Event> = [first(false), first(true)].into_iter().flatten().collect();
        let recorded = events.iter().map(|event| {
            let data = if event.is_owned { format!("{:?}: \"C-7\"", self.owner) } else { String::new() };
            format!("({:?}, {}, json!({{ {data} }}))", event.name, event.versions[0])
        });
        let recorded = recorded.collect::<Vec<_>>().join(", ");
        let last = events.last().map(|event| event.name.as_str()).unwrap_or_default();
        (self.fill_in(&format!("contribution(&From__Types__, {stream:?}, &[{recorded}])")), last)
    }
}

impl Event {
    /// With all versions, of which this one type is read.
    fn declared(&self) -> String {
        let Self { name, versions, .. } = self;
        let older = versions[1..].iter().map(|version| format!("{version}: {name}")).collect::<Vec<_>>().join(" | ");
        let older = if older.is_empty() { older } else { format!(" <- {older}") };
        format!("{name}({name}) = {}{older},", versions[0])
    }

    /// Its type, with what is needed of it.
    fn payload(&self, owner: &str) -> String {
        let members = if self.is_owned {
            format!("{{\n    #[serde(rename = {owner:?})]\n    pub owner: AggregateId,\n}}")
        } else {
            "{}".to_owned()
        };
        format!("#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]\npub struct {} {members}", self.name)
    }
}

/// Puts all sources into the overview's own files.
pub fn fill_in_all(sources: &[Source], text: &str) -> String {
    let each = |text: &str| sources.iter().map(|source| source.fill_in(text)).collect::<Vec<_>>();
    let entry = |source: &Source| {
        let of_type = source.aggregate_type.as_ref().map(|ty| format!(".of_type({ty:?})")).unwrap_or_default();
        source.fill_in(&format!("Source::of(\"__context__\", &From__Types__){of_type}"))
    };
    let (contributions, statuses): (Vec<_>, Vec<_>) = sources.iter().map(Source::contribution).unzip();
    let statuses = sources.iter().zip(statuses).map(|(source, last)| format!("({:?}, {last:?})", source.types()));
    text.replace("__modules__", &each("pub mod __types__;").join("\n"))
        .replace("__uses__", &each("use crate::__types__::From__Types__;").join("\n"))
        .replace("__sources__", &sources.iter().map(entry).collect::<Vec<_>>().join(", "))
        .replace("__sections__", &each("pub __types__: Section,").join("\n    "))
        .replace(
            "__merged__",
            &each("__types__: section(contributions.of::<From__Types__>()?),").join("\n            "),
        )
        .replace("__contributions__", &contributions.join(", "))
        .replace("__statuses__", &statuses.collect::<Vec<_>>().join(", "))
}

/// The members of an event that every version requires to be an aggregate's id.
fn ids(schemas: &Path, event: &Declared) -> Result<BTreeSet<String>> {
    let of_version = |version: &u32| {
        let schema: Value = serde_json::from_str(&read(&schemas.join(format!("{}.{version}.json", event.name)))?)?;
        let required = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str);
        let ids = required.filter(|member| schema["properties"][member]["pattern"] == ID);
        Ok(ids.map(str::to_owned).collect())
    };
    let mut versions = event.versions.iter().map(of_version).collect::<Result<Vec<BTreeSet<String>>>>()?.into_iter();
    let newest = versions.next().unwrap_or_default();
    Ok(versions.fold(newest, |ids, of_older| &ids & &of_older))
}
