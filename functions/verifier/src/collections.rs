//! Collections: are totals the sum over documents, and has each document a stream?

use std::collections::BTreeSet;
use std::time::Duration;

use kernel::context::{AggregateType, Context};
use kernel::ids::{AggregateId, StreamId, TenantId};
use store::StoreError;
use store::findings::{Found, Kind, Place};
use store::jobs::Segment;
use store::read_models::{Counted, Difference};
use store::stream_positions::CommitReference;
use tokio::time::timeout;
use walk::counting::Counting as _;

use crate::Verifier;
use crate::documents::without_stream;
use crate::verify::{Scope, listed};

/// How long one collection may take.
const LONGEST: Duration = Duration::from_mins(6);

/// Where a collection's documents come from.
struct Collection {
    name: &'static str,
    context: &'static Context,
    aggregate_type: &'static AggregateType,
}

impl Verifier {
    /// The segment's next collection of a tenant.
    pub(crate) async fn collections(
        &self,
        scope: Scope<'_>,
        (number, segments): (u32, u32),
        segment: &mut Segment,
    ) -> Result<(Vec<Found>, usize), StoreError> {
        let tenants = match scope.tenant {
            Some(tenant) => vec![tenant.clone()],
            None => self.registry.tenants().await?,
        };
        // Of all, in their order, so that each is some segment's whatever comes and goes meanwhile.
        let after = segment.last_key.clone();
        let of_tenant = |tenant: TenantId| {
            self.collections_of(&tenant).into_iter().map(move |collection| (tenant.clone(), collection))
        };
        let next = tenants.into_iter().flat_map(of_tenant).find(|(tenant, collection)| {
            let key = [tenant.to_string(), collection.name.to_owned()];
            let share = kernel::ids::digest(&[tenant.as_str(), collection.name]);
            let is_mine = u32::from_str_radix(&share[..7], 16).unwrap_or_default() % segments == number;
            is_mine && (after.is_empty() || key[..] > after[..])
        });
        let Some((tenant, collection)) = next else {
            segment.last_key = Vec::new();
            return Ok((Vec::new(), 0));
        };
        let mut found = Vec::new();
        let mut items = 1;
        // What takes longer than an invocation has is judged by none.
        let counted = timeout(LONGEST, self.read_models.count(&tenant, collection.name)).await;
        match counted.unwrap_or(Ok(None)) {
            Ok(Some(counted)) => {
                let read = counted.documents.len() + counted.unreadable.len();
                items += read;
                segment.add("documents", read as u64);
                found.extend(off(&tenant, collection.name, &counted));
                found.extend(self.without_stream(&tenant, &collection, counted.documents).await?);
            }
            Ok(None) => segment.add("unjudged", 1),
            Err(error @ StoreError::Corrupt { .. }) => {
                segment.failed(&format!("totals of {}", collection.name), &lambda::telemetry::chain(&error));
            }
            Err(error) => return Err(error),
        }
        segment.last_key = vec![tenant.to_string(), collection.name.to_owned()];
        Ok((found, items))
    }

    /// All that there may be of a tenant, in the order of their names.
    fn collections_of(&self, tenant: &TenantId) -> Vec<Collection> {
        let types = self.contexts.iter().flat_map(|context| context.aggregate_types().map(move |ty| (context, ty)));
        let any = AggregateId::parse("any").expect("an id");
        let of_type = |(context, aggregate_type): (&'static Context, &'static AggregateType)| {
            let models = (self.read_models_of)(&context.stream(aggregate_type, tenant.clone(), any.clone()));
            let of = move |name| Collection { name, context, aggregate_type };
            models.unwrap_or_default().into_iter().map(move |model| of(model.collection()))
        };
        let mut collections: Vec<_> = types.flat_map(of_type).collect();
        collections.sort_by_key(|collection| collection.name);
        collections
    }

    /// Documents of streams that do not begin.
    async fn without_stream(
        &self,
        tenant: &TenantId,
        collection: &Collection,
        documents: Vec<AggregateId>,
    ) -> Result<Vec<Found>, StoreError> {
        const AT_A_TIME: usize = 100;
        let mut orphans: Vec<StreamId> = Vec::new();
        for some in documents.chunks(AT_A_TIME) {
            let stream =
                |id: &AggregateId| collection.context.stream(collection.aggregate_type, tenant.clone(), id.clone());
            let first = |stream: &StreamId| CommitReference { stream_id: stream.to_string(), commit_number: 1 };
            let streams: Vec<StreamId> = some.iter().map(stream).collect();
            let firsts: BTreeSet<CommitReference> = streams.iter().map(first).collect();
            let found = self.traces.handled(&firsts, &BTreeSet::new()).await?.commits;
            for stream in streams {
                // A stream whose first commit alone is missing is found by its gap.
                if !found.contains_key(&first(&stream)) && self.streams.each(&stream.to_string()).await?.is_empty() {
                    orphans.push(stream);
                }
            }
        }
        Ok(orphans.iter().map(|stream| without_stream(stream, collection.name)).collect())
    }
}

fn off(tenant: &TenantId, collection: &str, counted: &Counted) -> Option<Found> {
    let differs = |difference: &Difference| {
        let day = difference.day.map(|day| format!(" of {day}")).unwrap_or_default();
        format!("{}{day} is {}, its documents say {}", difference.total, difference.totals, difference.documents)
    };
    let actual = listed(counted.differences.iter().map(differs));
    (!counted.differences.is_empty()).then(|| total_off(tenant, collection, actual))
}

fn total_off(tenant: &TenantId, collection: &str, actual: String) -> Found {
    Found {
        kind: Kind::TotalOff,
        about: collection.to_owned(),
        tenant: Some(tenant.clone()),
        stream: None,
        place: Place { collection: Some(collection.to_owned()), ..Place::default() },
        expected: "the sum over all documents".to_owned(),
        actual,
    }
}
