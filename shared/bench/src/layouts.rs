//! A release before, which showed orders in another layout: without `pieces`, and with other totals.

use catalog::Owned;
use kernel::context::{ProjectError, Projected, ReadModel};
use kernel::domain_event::RecordedEvent;
use kernel::ids::StreamId;
use kernel::projection::{Filters, Tally};
use serde_json::{Value, json};

/// Orders as that release showed them.
pub struct Before;

/// The collection that it showed otherwise.
const COLLECTION: &str = "orders";

fn after() -> &'static dyn ReadModel {
    catalog::read_model(COLLECTION).expect("a collection of the catalog").read_model
}

impl ReadModel for Before {
    fn collection(&self) -> &'static str {
        COLLECTION
    }

    fn filters(&self) -> Filters {
        after().filters()
    }

    fn layout(&self) -> u32 {
        after().layout() - 1
    }

    fn states(&self) -> &'static [&'static str] {
        after().states()
    }

    /// Like any projection, from its own document alone.
    fn project(&self, document: Option<&str>, events: &[RecordedEvent]) -> Result<Projected, ProjectError> {
        let with_pieces = |document: &str| {
            let mut document: Value = serde_json::from_str(document).map_err(ProjectError::Document)?;
            document["pieces"] = json!(0);
            Ok::<_, ProjectError>(document.to_string())
        };
        let before = document.map(with_pieces).transpose()?;
        let projected = after().project(before.as_deref(), events)?;
        let mut document: Value = serde_json::from_str(&projected.document).map_err(ProjectError::Document)?;
        document.as_object_mut().expect("a document is an object").remove("pieces");
        let seen = Tally::of("seen", 1).on(projected.listing.time);
        Ok(Projected { document: document.to_string(), tallies: vec![Tally::of("ever", 1), seen], ..projected })
    }
}

/// As [`catalog::read_models_of`].
pub fn read_models_of(stream: &StreamId) -> Option<Vec<&'static dyn ReadModel>> {
    let mut all = catalog::read_models_of(stream)?;
    for read_model in all.iter_mut().filter(|read_model| read_model.collection() == COLLECTION) {
        *read_model = &Before;
    }
    Some(all)
}

/// As [`catalog::read_model`].
pub fn read_model(collection: &str) -> Option<Owned> {
    let owned = catalog::read_model(collection)?;
    Some(if collection == COLLECTION { Owned { read_model: &Before, ..owned } } else { owned })
}
