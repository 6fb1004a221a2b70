//! What the runtime asks of a sink.

use std::future::Future;

use events::{AggregateId, TenantId};
use projection::{Projection, Row};

use crate::changes::Changes;
use crate::fault::Classify;
use crate::parking::{Decided, ParkKey, ParkedKey, ParkedRecord, Request};
use crate::record::Fingerprint;

/// A sink that keeps the views of one projection, and with them the truth about progress.
///
/// One lane owns the value and calls it from one task, one call at a time. After an error the sink may have
/// reconnected or not: the lane always calls [`renew`](Self::renew) before it goes on, and reads on from the offsets
/// it is told. So no method retries by itself, and no method has to tell "not applied" from "unknown".
pub trait ViewStore<P: Projection>: Send + 'static {
    /// What can go wrong.
    type Error: Classify;

    /// Takes the partitions, whoever had them: each epoch rises by one, so that every earlier owner is fenced off.
    /// Waits for a transaction of the earlier owner that is under way. A partition never seen starts at offset 0.
    fn claim(
        &mut self,
        topic: &str,
        partitions: &[i32],
    ) -> impl Future<Output = Result<Vec<Claim>, Self::Error>> + Send;

    /// Takes the partitions again if, and only if, they are still ours under these epochs; for use after an error,
    /// when it is not known what was applied. The epoch rises, so that what an old connection still has in flight
    /// is fenced off. Partitions that somebody else took are absent from the answer.
    fn renew(
        &mut self,
        topic: &str,
        held: &[Tenure],
    ) -> impl Future<Output = Result<Vec<Claim>, Self::Error>> + Send;

    /// The rows of these aggregates, those that exist. A row that cannot be read as a view is a fatal error.
    fn load(
        &mut self,
        keys: &[(i32, RowKey)],
    ) -> impl Future<Output = Result<Vec<Loaded<P::View>>, Self::Error>> + Send;

    /// Applies the changes of every partition that is still ours, each partition whole or not at all, and none of
    /// the others. Parks and decisions are durable no later than the offset; releases no earlier than the rows.
    /// A data error ([`Fault::Poison`](crate::Fault::Poison)) has applied nothing; the lane halves the batch.
    fn commit(
        &mut self,
        changes: &Changes<P::View>,
    ) -> impl Future<Output = Result<Committed, Self::Error>> + Send;

    /// Whether these partitions still stand where they were left; asked about once a second, so that a sink that lost its
    /// memory is filled again, and views that were switched are gone on with, though nothing new comes. Answers the partitions
    /// that are no longer ours.
    fn inspect(
        &mut self,
        topic: &str,
        held: &[Tenure],
    ) -> impl Future<Output = Result<Vec<i32>, Self::Error>> + Send;

    /// What operators asked for on parked keys of these partitions.
    fn requests(
        &mut self,
        topic: &str,
        partitions: &[i32],
    ) -> impl Future<Output = Result<Vec<Request>, Self::Error>> + Send;

    /// The first `limit` parked records of a key in the order in which they are to be applied: by version where it is
    /// known, else where the record lay.
    fn parked(
        &mut self,
        topic: &str,
        partition: i32,
        key: &ParkKey,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<ParkedRecord>, Self::Error>> + Send;
}

/// One row's name.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RowKey {
    /// Whose it is.
    pub tenant: TenantId,
    /// What it shows.
    pub aggregate_id: AggregateId,
}

/// A row as the sink has it.
#[derive(Debug, Clone, PartialEq)]
pub struct Loaded<V> {
    /// Its name.
    pub key: RowKey,
    /// Its version and view.
    pub row: Row<V>,
    /// The partition whose events made it. An event of another partition is refused: the producer's partitioner
    /// changed, and with it the order.
    pub partition: i32,
}

/// That a partition is ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tenure {
    /// The partition.
    pub partition: i32,
    /// Our epoch; any write under another epoch is refused.
    pub epoch: i64,
}

/// What the sink says when a partition becomes ours.
#[derive(Debug, Clone, PartialEq)]
pub struct Claim {
    /// The partition.
    pub partition: i32,
    /// Our epoch.
    pub epoch: i64,
    /// The first offset that the sink has not applied.
    pub next_offset: i64,
    /// What the record before it was, if the sink knows: a topic that has another there is not the topic that was read.
    pub fingerprint: Option<Fingerprint>,
    /// The keys that are parked in it.
    pub parked_keys: Vec<ParkedKey>,
    /// What was decided about its events, to be carried out again whenever they come by.
    pub decided: Vec<Decided>,
}

/// What became of the changes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Committed {
    /// Partitions that are no longer ours; nothing of theirs was applied, no offset of theirs moved.
    pub fenced: Vec<i32>,
}
