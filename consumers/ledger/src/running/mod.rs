//! Views compared with the store while both go on.
//!
//! Every row says of which events it was made, as a sum; the store's events are followed, aggregate by aggregate, into the same
//! sum. Where version and sum agree, the row is made of exactly these events. Where they do not, the two may only have been looked
//! at at different times: the events between the two versions, and those that were decided to be done without, tell. So nothing
//! has to stand still, and what is read of the store is what is on its way.

mod missed;
mod report;
mod sink;
mod suspect;

pub use missed::{Missed, Sought};
pub use report::{RunningReport, RunningStages, RunningVerdict};
pub use sink::{Lost, Moments, Running, RunningCounts, Stream, Streams};
pub use suspect::{Account, Entries, Entry, Judged, Suspect};
