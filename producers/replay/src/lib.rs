//! The log once more: every wanted event that is in the store up to now, from the first one or from where a replay left off.
//!
//! [`replay`] reads ahead in large slices and hands each aggregate's events to one of several workers, always the same one, in
//! order. It promises:
//!
//! - events of one aggregate take effect in the order of their versions; nothing is promised between aggregates;
//! - a replay that was killed goes on where it was, and no effect is taken twice, when the [`Effect`] stores each batch's
//!   `through` in the transaction of the batch ([`Effect::checkpoints`] answers them);
//! - trouble that may pass is waited out, a bounded number of times; an event that cannot be applied is named in the
//!   [`Report`], and others go on, until there are too many;
//! - a replay that stops says what could not be applied until then ([`Stopped`]);
//! - versions that are in an archive are not replayed in silence as if they had never been: the [`Report`] names them as
//!   missing. What was withdrawn and is gone for good does not count. Archived events that come back keep their old places:
//!   a replay whose checkpoints are beyond them does not meet them;
//! - checkpoints beyond the log are those of another one (an older backup was restored), and an error;
//! - at most a few slices of events are in memory, and the list of what left the store.
//!
//! Aggregates are spread over [`LANES`] lanes by their ids; a worker has some of the lanes, so the number of workers may
//! change between two runs. It does not know what the effect is or where it is kept.
//!
//! ```
//! use replay::{Batch, Failure};
//!
//! /// Counts what it sees.
//! #[derive(Default)]
//! struct Count(std::sync::atomic::AtomicUsize);
//!
//! impl replay::Effect for Count {
//!     type Error = std::convert::Infallible;
//!
//!     async fn checkpoints(&self) -> Result<std::collections::HashMap<u16, u64>, Self::Error> {
//!         Ok(Default::default()) // it has no memory, and begins anew each time
//!     }
//!
//!     async fn apply(&self, batch: &Batch) -> Result<Vec<Failure>, Self::Error> {
//!         self.0.fetch_add(batch.events.len(), std::sync::atomic::Ordering::Relaxed);
//!         Ok(vec![])
//!     }
//!
//!     fn is_transient(_: &Self::Error) -> bool {
//!         false
//!     }
//! }
//! ```

mod effect;
mod error;
mod progress;
mod reader;
mod run;
mod worker;

pub use effect::{Batch, Effect, Failure, LANES, lane};
pub use error::{Error, Stopped};
pub use progress::Progress;
pub use run::{Config, Report, replay};
