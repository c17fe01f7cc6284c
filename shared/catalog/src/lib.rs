//! Every bounded context of this installation, one line each, and every overview. The only crate that knows them all.

pub mod reserved_names;

use kernel::context::{AggregateType, Context, ReadModel};
use kernel::ids::StreamId;
use kernel::overview::{OverviewType, Source};
use kernel::peers::Heard;

/// The contexts, in the order of their names.
#[rustfmt::skip] // one line each
pub static CONTEXTS: &[Context] = &[
    accounts::CONTEXT,
    checks::CONTEXT,
    orders::CONTEXT,
    patients::CONTEXT,
    payments::CONTEXT,
    policies::CONTEXT,
];

/// The read models over several streams, in the order of their names.
#[rustfmt::skip] // one line each
pub static OVERVIEWS: &[OverviewType] = &[
    customers::OVERVIEW,
];

/// The context of that name.
pub fn context(name: &str) -> Option<&'static Context> {
    CONTEXTS.iter().find(|context| context.name == name)
}

/// The context that handles commands of this type. No two have one in common.
pub fn context_of_command(ty: &str) -> Option<&'static Context> {
    CONTEXTS.iter().find(|context| context.command(ty).is_some())
}

/// Which contexts hear this type of event of partners of these names, and what they make of it.
pub fn heard_of_partners<'a>(
    names: &'a [&str],
    ty: &'a str,
) -> impl Iterator<Item = (&'static Context, &'static Heard)> {
    let all = CONTEXTS.iter().flat_map(|context| context.hears.iter().map(move |heard| (context, heard)));
    all.filter(move |(_, heard)| heard.is_partner && names.contains(&heard.of) && heard.event(ty).is_some())
}

/// A read model, and whose it is.
#[derive(Clone, Copy)]
pub struct Owned {
    pub context: &'static Context,
    pub aggregate_type: &'static AggregateType,
    pub read_model: &'static dyn ReadModel,
}

/// The read model of that collection. No two collections are called the same.
pub fn read_model(collection: &str) -> Option<Owned> {
    let types = |context: &'static Context| context.aggregate_types().map(move |ty| (context, ty));
    CONTEXTS.iter().flat_map(types).find_map(|(context, aggregate_type)| {
        let found = aggregate_type.read_models.iter().find(|model| model.collection() == collection);
        found.map(|read_model| Owned { context, aggregate_type, read_model: *read_model })
    })
}

/// The read models that a stream shows in: its own, and what it contributes to overviews. `None` if this build does not know
/// its context or type of aggregate.
pub fn read_models_of(stream: &StreamId) -> Option<Vec<&'static dyn ReadModel>> {
    let aggregate_type = context(&stream.context)?.aggregate_type(stream)?;
    let sources = OVERVIEWS.iter().flat_map(|overview| overview.sources);
    let of_it = |source: &&Source| {
        source.context == stream.context && source.aggregate_type == stream.aggregate_type.as_deref()
    };
    let contributions = sources.filter(of_it).map(|source| source.contribution);
    Some(aggregate_type.read_models.iter().copied().chain(contributions).collect())
}

/// The overview of that collection.
pub fn overview(collection: &str) -> Option<&'static OverviewType> {
    OVERVIEWS.iter().find(|overview| overview.collection == collection)
}

/// What a type of aggregate contributes to an overview.
pub fn contribution(source: &Source) -> Option<Owned> {
    let context = context(source.context)?;
    let mut types = context.aggregate_types();
    let aggregate_type = types.find(|ty| ty.name == source.aggregate_type.unwrap_or(context.name))?;
    Some(Owned { context, aggregate_type, read_model: source.contribution })
}

/// The names of all collections: of read models and of overviews.
pub fn collections() -> impl Iterator<Item = &'static str> {
    let of_contexts = CONTEXTS.iter().flat_map(|context| context.read_models().map(ReadModel::collection));
    of_contexts.chain(OVERVIEWS.iter().map(|overview| overview.collection))
}

/// The bundled schema of one version of a command or a domain event.
pub fn schema(context: &str, name: &str, version: u32) -> Option<&'static str> {
    self::context(context)?.schema(name, version)
}

#[cfg(test)]
mod tests;
