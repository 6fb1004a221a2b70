//! A second edition of a projection's views, made beside the one that is read, and switched in at once.
//!
//! It is made from the events of the store, in the order of their positions, by the same [`step`](projection::step) as live events.
//! How far it is lies with its rows, so whoever is cut short goes on. Nobody is told anything meanwhile, and nothing is parked:
//! what it cannot apply stays behind, and so does the aggregate.
//!
//! A [`Rebuild`] folds; a sink keeps what was folded, as an [`Edition`]. Switching in begins when the sink
//! [holds](Edition::hold) the offsets, so that no projector writes on; then whoever rebuilds reads what the store has by now; then
//! no row may be [behind](Edition::behind) the edition that is read. So readers never go back, and the projector goes on where it
//! stood: what is in the new edition already is a duplicate to it. The edition that was read is kept, with where it stood, until
//! the next one is.
//!
//! It knows neither the store, which the caller reads, nor any sink.

mod placed;
mod rows;

use std::future::Future;

use events::AggregateId;
use kafka::{Loaded, RowChange, RowKey};
use projection::Projection;

pub use placed::{NO_OFFSET, Placed, Unreadable};
pub use rows::Rebuild;

/// An edition that is being made, as a sink keeps it.
pub trait Edition<P: Projection>: Send {
    /// What cannot be done.
    type Error: Send;

    /// How far it is.
    fn progress(&self) -> Progress;

    /// Whether an aggregate's event at a position is in it, where that goes by aggregate: parts of it may be further than
    /// [`progress`](Self::progress) says.
    fn has(&self, _: AggregateId, _position: u64) -> bool {
        false
    }

    /// The rows of these aggregates, those that exist.
    fn load(
        &mut self,
        keys: &[RowKey],
    ) -> impl Future<Output = Result<Vec<Loaded<P::View>>, Self::Error>> + Send;

    /// Writes rows, and how far that is; when it is cut short, all of it may be written again.
    fn write(&mut self, batch: Batch<P::View>) -> impl Future<Output = Result<(), Self::Error>> + Send;

    /// What was decided about events of the projection: which aggregate's, and which version.
    fn decisions(&mut self) -> impl Future<Output = Result<Vec<(RowKey, u64)>, Self::Error>> + Send;

    /// Readies what was written for those who will read it.
    fn guard(&mut self) -> impl Future<Output = Result<(), Self::Error>> + Send;

    /// Every aggregate that it has a row of, with its version; deleted ones included.
    fn versions(&mut self) -> impl Future<Output = Result<Vec<(AggregateId, u64)>, Self::Error>> + Send;

    /// Rows picked at random.
    fn sample(&mut self, rows: u32)
    -> impl Future<Output = Result<Vec<Loaded<P::View>>, Self::Error>> + Send;

    /// From now on no projector writes the views that are read, until [`switch`](Self::switch) or [`let_go`](Self::let_go). What the
    /// store has by now is everything that they can have. `ends`: where each partition of the topic begins and ends; a projector
    /// that stands elsewhere, or nowhere, begins where the partition does.
    fn hold(
        &mut self,
        topic: &str,
        ends: &[(i32, i64, i64)],
    ) -> impl Future<Output = Result<(), Self::Error>> + Send;

    /// The first rows that are behind those that are read; none may be when it is switched in.
    fn behind(&mut self) -> impl Future<Output = Result<Vec<Behind>, Self::Error>> + Send;

    /// Lets projectors go on as before.
    fn let_go(&mut self) -> impl Future<Output = Result<(), Self::Error>> + Send;

    /// Has it read from now on, and lets projectors go on with it. Call [`hold`](Self::hold), take in what the store has, have it
    /// written, and see that nothing is [`behind`](Self::behind) first.
    fn switch(&mut self) -> impl Future<Output = Result<(), Self::Error>> + Send;
}

/// How far an edition is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Progress {
    /// Events up to this position of the store are in it.
    pub position: u64,
    /// How many events that were.
    pub events: u64,
}

/// What is written at once.
#[derive(Debug)]
pub struct Batch<V> {
    /// Rows in the order of their keys, each once.
    pub changes: Vec<RowChange<V>>,
    /// Those of them that were made anew: each may be of the version that is written, or of an earlier one.
    pub replaced: Vec<RowKey>,
    /// How far the edition was.
    pub from: Progress,
    /// How far it is then.
    pub to: Progress,
}

/// A row that the edition which is read has at a later version than the new one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Behind {
    /// Whose.
    pub tenant_id: String,
    /// Which.
    pub aggregate_id: AggregateId,
    /// At which version it is read.
    pub version: u64,
    /// At which version it was made.
    pub found: u64,
}
