//! Documents made anew where they are not what their events make of them.

use std::sync::Arc;

use futures_util::stream::{StreamExt as _, iter};
use kernel::back_off::BackOff;
use kernel::context::ReadModel;
use kernel::domain_event::RecordedEvent;
use kernel::ids::{StreamId, TenantId};
use lambda::telemetry::{chain, metric};
use store::StoreError;
use store::jobs::{Job, Segment};
use store::read_models::{Change, ChangeError, Key, ReadModels, Row, Stored, WriteError};
use walk::counting::Counting as _;
use walk::page::Part;

use crate::Rebuild;

/// How often others may be faster at a document before it counts as failed.
const MOST_ROUNDS: u32 = 12;

/// How long a document is left to others.
const BACK_OFF: BackOff = BackOff::of_millis(10, 1_000);

/// Documents that are made anew by themselves at the same time.
const AT_A_TIME: usize = 10;

/// Why a document stays that nothing can be made of.
const GONE: &str = "its stream has no events, but a document is there: restore the events";

/// A document that may have to be made anew.
struct Document {
    key: Key,
    read_model: &'static dyn ReadModel,
    stream: StreamId,
    /// Those that are known, from the first one on; `None`: the store is to be asked.
    events: Option<Arc<[RecordedEvent]>>,
}

/// What became of a document.
enum Made {
    /// It was so already.
    Right,
    Written,
    Failed(String),
}

/// What a rebuild is to make anew; what is `None` is all.
#[derive(Clone, Copy)]
pub(crate) struct Wanted<'a> {
    pub job: &'a Job,
    pub collection: Option<&'a str>,
    pub tenant: Option<&'a TenantId>,
}

impl Rebuild {
    /// Makes the documents of a page's streams anew. Gives how many events were on the page.
    pub(crate) async fn rebuild(
        &self,
        parts: Vec<Part>,
        wanted: Wanted<'_>,
        segment: &mut Segment,
        read_models: &ReadModels,
    ) -> Result<usize, StoreError> {
        let (mut documents, mut count) = (Vec::new(), 0);
        for Part { stream_id, events } in parts {
            let Ok(stream) = StreamId::parse(&stream_id) else {
                segment.failed(&stream_id, "its name is no stream's");
                continue;
            };
            count += events.as_ref().map_or(0, |events| events.len());
            if wanted.tenant.is_some_and(|tenant| *tenant != stream.tenant) {
                continue;
            }
            segment.add("streams", 1);
            let Some(of_stream) = (self.read_models_of)(&stream) else {
                segment.failed(&stream_id, "this release does not know its type of aggregate");
                continue;
            };
            // An overview's are called after it.
            let is_wanted = |name: &str| wanted.collection.is_none_or(|wanted| name.split('/').next() == Some(wanted));
            for read_model in of_stream.into_iter().filter(|model| is_wanted(model.collection())) {
                let (tenant, id) = (stream.tenant.clone(), stream.aggregate.clone());
                let key = Key { tenant, collection: read_model.collection(), id };
                documents.push(Document { key, read_model, stream: stream.clone(), events: events.clone() });
            }
        }
        let (written, failed) = (segment.count("written"), segment.count("failed"));
        self.renew(documents, wanted.job, segment, read_models).await?;
        if !wanted.job.task.dry_run() {
            metrics::counter!(metric::REBUILT).increment(segment.count("written") - written);
            metrics::counter!(metric::NOT_REBUILT).increment(segment.count("failed") - failed);
        }
        Ok(count)
    }

    /// Makes these documents anew, and counts what was done.
    async fn renew(
        &self,
        documents: Vec<Document>,
        job: &Job,
        segment: &mut Segment,
        read_models: &ReadModels,
    ) -> Result<(), StoreError> {
        // What the page does not decide is looked at by itself.
        let (mut changes, mut alone): (Vec<(Document, Change)>, Vec<Document>) = (Vec::new(), Vec::new());
        let keys = documents.iter().filter(|document| document.events.is_some()).map(|document| document.key.clone());
        let mut rows = read_models.get_each(keys.collect()).await?.into_iter();
        for document in documents {
            let Some(events) = document.events.clone() else {
                alone.push(document);
                continue;
            };
            let row = rows.next().and_then(|(_, row)| row.ok());
            match row.map(|row| difference(&document, row.as_ref(), &events)) {
                Some(Ok(None)) => segment.add("right", 1),
                // What is further than the page was written since, from what was there before.
                Some(Ok(Some(change))) if !change.goes_back() => changes.push((document, change)),
                Some(Ok(Some(_)) | Err(_)) | None => alone.push(document),
            }
        }
        if job.task.dry_run() {
            segment.add("written", changes.len() as u64);
        } else {
            alone.extend(write(read_models, changes, segment).await?);
        }
        let mut made = iter(alone)
            .map(|document| async move {
                let made = self.renew_alone(&document, job, &read_models.beside()).await;
                (document, made)
            })
            .buffer_unordered(AT_A_TIME);
        while let Some((document, made)) = made.next().await {
            match made? {
                Made::Right => segment.add("right", 1),
                Made::Written => segment.add("written", 1),
                Made::Failed(error) => {
                    let StreamId { tenant, context, .. } = &document.stream;
                    let stream = document.stream.pseudonym();
                    tracing::error!(%tenant, context, stream, error, "cannot be made anew");
                    segment.failed(&format!("{}/{}", document.key.collection, document.stream), &error);
                }
            }
        }
        Ok(())
    }

    /// Reads the document and then its events, so that no event is missing that the document has.
    async fn renew_alone(&self, document: &Document, job: &Job, read_models: &ReadModels) -> Result<Made, StoreError> {
        let Document { key, stream, read_model, .. } = document;
        for round in 0..MOST_ROUNDS {
            let read = async {
                let stored = read_models.find(&key.tenant, key.collection, &key.id).await?;
                Ok((stored, self.streams.after(stream, 0).await?))
            };
            let (stored, events) = match read.await {
                Ok(read) => read,
                Err(error @ StoreError::Corrupt { .. }) => return Ok(Made::Failed(chain(&error))),
                Err(error) => return Err(error),
            };
            if stored.is_some() && events.is_empty() {
                return Ok(Made::Failed(GONE.to_owned()));
            }
            let change = match &stored {
                None => difference(document, None, &events),
                Some(Stored::Row(row)) => difference(document, Some(row), &events),
                Some(Stored::Unreadable(_)) => Change::anew(key.clone(), *read_model, None, &events).map(Some),
            };
            let change = match change {
                Ok(None) => return Ok(Made::Right),
                Ok(Some(change)) => change,
                Err(error) => return Ok(Made::Failed(chain(&error))),
            };
            if job.task.dry_run() {
                return Ok(Made::Written);
            }
            let written = match &stored {
                Some(Stored::Unreadable(unreadable)) => {
                    // First, so that it is not forgotten whatever happens.
                    self.ask_for_recount(job, key).await?;
                    read_models.replace(unreadable, &change).await
                }
                _ => read_models.write(std::slice::from_ref(&change)).await,
            };
            match written {
                Ok(()) => return Ok(Made::Written),
                Err(WriteError::Overtaken(_) | WriteError::Busy) => {}
                Err(WriteError::Refused(error)) => return Ok(Made::Failed(chain(&error))),
                Err(WriteError::Store(error)) => {
                    tracing::warn!(error = chain(&error), "not written");
                    return Err(error);
                }
            }
            tokio::time::sleep(BACK_OFF.full_jitter(round, fastrand::f64())).await;
        }
        Ok(Made::Failed("others kept writing it".to_owned()))
    }
}

/// Writes as many at a time as a transaction takes. Gives those that are to be looked at by themselves.
async fn write(
    read_models: &ReadModels,
    mut changes: Vec<(Document, Change)>,
    segment: &mut Segment,
) -> Result<Vec<Document>, StoreError> {
    let mut alone = Vec::new();
    while !changes.is_empty() {
        let rest = changes.split_off(ReadModels::fitting(changes.iter().map(|(_, change)| change)));
        let (documents, some): (Vec<_>, Vec<_>) = std::mem::replace(&mut changes, rest).into_iter().unzip();
        let mut round = 0;
        let written = loop {
            match read_models.write(&some).await {
                // At the totals, mostly: the next try is at other ones.
                Err(WriteError::Busy) if round < MOST_ROUNDS => {
                    tokio::time::sleep(BACK_OFF.full_jitter(round, fastrand::f64())).await;
                    round += 1;
                }
                written => break written,
            }
        };
        match written {
            Ok(()) => segment.add("written", some.len() as u64),
            Err(WriteError::Overtaken(_) | WriteError::Busy | WriteError::Refused(_)) => alone.extend(documents),
            Err(WriteError::Store(error)) => return Err(error),
        }
    }
    Ok(alone)
}

/// What is to be written so that the document is what the events make of it; `None`: it is.
fn difference(document: &Document, row: Option<&Row>, events: &[RecordedEvent]) -> Result<Option<Change>, ChangeError> {
    let newest_heard = events.iter().rfind(|event| document.read_model.hears(&event.event.ty));
    if row.is_none() && newest_heard.is_none() {
        return Ok(None); // none is to be there
    }
    let change = Change::anew(document.key.clone(), document.read_model, row, events)?;
    let is_so = row.is_some_and(|row| {
        // A document may be behind by events that it does not hear.
        let reached = newest_heard.map_or(0, |event| event.version);
        let version = if (reached..change.to_version).contains(&row.version) { row.version } else { change.to_version };
        row.is_as(&change, version)
    });
    Ok((!is_so).then_some(change))
}
