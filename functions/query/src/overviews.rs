//! Overviews: `GET /{collection}/{id}` of what several streams contribute to.

use futures_util::future::try_join_all;
use kernel::ids::AggregateId;
use kernel::overview::{Contributions, OverviewType};
use lambda::caller::Caller;
use lambda::http::{asset, set};
use lambda::refusal::Answer;
use lambda::request::Parameters;
use lambda_http::Request;
use lambda_http::http::header::CACHE_CONTROL;
use store::StoreError;
use store::read_models::By;

use crate::documents::REVALIDATE;
use crate::{Query, nothing_here};

/// How many contributions of one kind are merged: more are told by `complete`.
const MOST: usize = 1_000;

impl Query {
    pub(crate) async fn overview(
        &self,
        caller: &Caller,
        overview: &'static OverviewType,
        owner: &AggregateId,
        parameters: &Parameters,
        request: &Request,
    ) -> Answer {
        let sight = self.sight(request, caller, overview.collection).await?;
        parameters.expect_only(&[])?;
        // What is another owner's is as absent as what never was.
        if !sight.includes(owner.as_str()) {
            return Err(nothing_here().into());
        }
        let kinds = overview.sources.iter().filter_map(catalog::contribution).map(|of| async move {
            let by = By::Owner { owner: owner.as_str(), state: None };
            let collection = of.read_model.collection();
            let page = self.read_models.list(&caller.tenant, collection, by, None, MOST).await?;
            let (shown, complete) = self.all_shown(of, &caller.tenant, by, page.rows).await?;
            let documents = shown.into_iter().map(|shown| (collection, shown.document));
            Ok::<_, StoreError>((documents.collect::<Vec<_>>(), complete && page.next.is_none()))
        });
        let kinds = try_join_all(kinds).await?;
        let complete = kinds.iter().all(|(_, complete)| *complete);
        let documents = kinds.into_iter().flat_map(|(documents, _)| documents).collect();
        let contributions = Contributions::of_documents(documents, complete);
        if contributions.are_none() {
            return Err(nothing_here().into());
        }
        let merged = overview.merge(owner, &contributions);
        let merged = merged.map_err(|source| StoreError::Corrupt { what: "read model", source: source.into() })?;
        let mut answer = asset(request, "application/json", merged);
        set(&mut answer, CACHE_CONTROL, REVALIDATE);
        Ok(answer)
    }
}
