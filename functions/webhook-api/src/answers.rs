//! What operators are answered, for `openapi.yaml`.

use schemars::SchemaGenerator;

use crate::deliveries::Deliveries;
use crate::reading::Webhooks;
use crate::registering::Registered;
use crate::secrets::Secret;
use crate::webhook::Webhook;

/// Describes all answers but problems.
pub fn describe(generator: &mut SchemaGenerator) {
    generator.subschema_for::<Webhooks>();
    generator.subschema_for::<Webhook>();
    generator.subschema_for::<Registered>();
    generator.subschema_for::<Secret>();
    generator.subschema_for::<Deliveries>();
}
