//! What operators are answered, for `openapi.yaml`.

use schemars::SchemaGenerator;

use crate::dead_letters::AllQueues;
use crate::detail::Detail;
use crate::done::{Done, GroupDone};
use crate::flow::Flow;
use crate::history::{History, Revision};
use crate::list::{Groups, Item, List};
use crate::outcome::Outcomes;
use crate::traces::{Search, Trace};

/// Describes all answers but problems.
pub fn describe(generator: &mut SchemaGenerator) {
    generator.subschema_for::<Groups>();
    generator.subschema_for::<List>();
    generator.subschema_for::<Item>();
    generator.subschema_for::<Detail>();
    generator.subschema_for::<History>();
    generator.subschema_for::<Revision>();
    generator.subschema_for::<Outcomes>();
    generator.subschema_for::<Done>();
    generator.subschema_for::<GroupDone>();
    generator.subschema_for::<AllQueues>();
    generator.subschema_for::<Flow>();
    generator.subschema_for::<Trace>();
    generator.subschema_for::<Search>();
}
