//! Every bounded context of this installation, one line each. The only crate that knows them all.

pub mod reserved_names;

use kernel::context::{Context, ReadModel};

/// The contexts, in the order of their names.
#[rustfmt::skip] // one line each
pub static CONTEXTS: &[Context] = &[
    checks::CONTEXT,
    orders::CONTEXT,
    policies::CONTEXT,
];

/// The context of that name.
pub fn context(name: &str) -> Option<&'static Context> {
    CONTEXTS.iter().find(|context| context.name == name)
}

/// The context that handles commands of this type. No two have one in common.
pub fn context_of_command(ty: &str) -> Option<&'static Context> {
    CONTEXTS.iter().find(|context| context.command(ty).is_some())
}

/// The read model of that collection, with its context. No two collections are called the same.
pub fn read_model(collection: &str) -> Option<(&'static Context, &'static dyn ReadModel)> {
    let of = |context: &'static Context| context.read_models.iter().map(move |model| (context, *model));
    CONTEXTS.iter().flat_map(of).find(|(_, model)| model.collection() == collection)
}

/// The bundled schema of one version of a command or a domain event.
pub fn schema(context: &str, name: &str, version: u32) -> Option<&'static str> {
    self::context(context)?.schema(name, version)
}

#[cfg(test)]
mod tests;
