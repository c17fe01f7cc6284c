//! What query answers, for `openapi.yaml`.

use kernel::operation::Operation;
use schemars::SchemaGenerator;

use crate::documents::{List, Report};
use crate::open::Health;
use crate::schemas::Schemas;
use crate::traces::Trace;

/// Describes all answers but problems and what is stored.
pub fn describe(generator: &mut SchemaGenerator) {
    generator.subschema_for::<Operation>();
    generator.subschema_for::<Trace>();
    generator.subschema_for::<List>();
    generator.subschema_for::<Report>();
    generator.subschema_for::<Schemas>();
    generator.subschema_for::<Health>();
}
