//! Totals counted anew, of one collection.

use std::time::Duration;

use kernel::ids::TenantId;
use lambda::telemetry::chain;
use store::StoreError;
use store::jobs::{Job, Segment, Task};
use store::read_models::Key;
use tokio::time::timeout;
use walk::counting::Counting as _;

use crate::Rebuild;

/// In how many invocations it is tried. There are others' jobs as well.
const MOST_TRIES: u64 = 10;

/// How long a try may take, so that an invocation has time for a whole one.
const LONGEST: Duration = Duration::from_mins(10);

/// How often a try counts: at last, nothing differs.
const MOST_COUNTS: usize = 4;

impl Rebuild {
    /// Tries to set a collection's totals right. What hinders it now, the next invocation may find gone.
    pub(crate) async fn recount(
        &self,
        tenant: &TenantId,
        collection: &str,
        segment: &mut Segment,
    ) -> Result<(), StoreError> {
        let hindrance = match timeout(LONGEST, self.set_right(tenant, collection, segment)).await {
            Ok(Ok(hindrance)) => hindrance,
            Ok(Err(error @ StoreError::Corrupt { .. })) => Some(chain(&error)),
            Ok(Err(error)) => return Err(error),
            Err(_) => Some("there are too many documents to be counted in time".to_owned()),
        };
        segment.add("tries", 1);
        match hindrance {
            None => segment.done = true,
            Some(error) if segment.count("tries") < MOST_TRIES => {
                tracing::warn!(%tenant, collection, error, "totals are to be counted again");
            }
            Some(error) => {
                tracing::error!(%tenant, collection, error, "totals cannot be counted");
                segment.failed(&format!("{collection}/{tenant}"), &error);
                segment.done = true;
            }
        }
        Ok(())
    }

    /// Gives what hinders it, if totals are not right in the end.
    async fn set_right(
        &self,
        tenant: &TenantId,
        collection: &str,
        segment: &mut Segment,
    ) -> Result<Option<String>, StoreError> {
        for _ in 0..MOST_COUNTS {
            let Some(counted) = self.read_models.count(tenant, collection).await? else {
                return Ok(Some("others kept moving them, or a release before wrote some documents".to_owned()));
            };
            if !counted.unreadable.is_empty() {
                return Ok(Some(format!("{} documents cannot be read: rebuild them", counted.unreadable.len())));
            }
            if counted.differences.is_empty() {
                return Ok(None);
            }
            // Otherwise somebody else has done so.
            if self.read_models.set_right(&counted).await? {
                segment.add("totals", counted.differences.len() as u64);
            }
        }
        Ok(Some("others kept setting them right".to_owned()))
    }

    /// Has totals counted anew of a collection in which the rebuild finds what cannot be read: once it is through.
    pub(crate) async fn ask_for_recount(&self, rebuild: &Job, key: &Key) -> Result<(), StoreError> {
        let Key { tenant, collection, .. } = key;
        // A tenant has no dots in its name.
        let name = format!("{tenant}.{}", collection.replace('/', "."));
        let task = Task::Recount { tenant: tenant.clone(), collection: (*collection).to_owned() };
        self.jobs.add_once(&rebuild.then(&name, task)).await.map(drop)
    }
}
