//! Snapshots: an aggregate's state at a version, so that not its whole history has to be folded.
//!
//! A snapshot is derived and never trusted. [`Sealed::open`] refuses one whose bytes changed, one of another shape, one that
//! is no state; whoever reads it then folds the history, as if there were none. It is tied to the event it was taken
//! at, so that one of a history that is no longer there does not count either.
//!
//! This crate says when a snapshot is due ([`Policy`]), seals and opens it, and keeps a bounded number of states in
//! memory ([`Cache`]). It does not know where snapshots are stored; a store of events does.
//!
//! ```
//! # use aggregate::{Aggregate, Snapshot};
//! # fn example<A: Snapshot + PartialEq + std::fmt::Debug>(state: &A) -> Result<(), Box<dyn std::error::Error>> {
//! # let event_id = events::EventId(uuid::Uuid::nil());
//! let sealed = snapshots::Sealed::seal(state, 7, event_id)?;
//! assert_eq!(sealed.open::<A>()?, *state);
//! # Ok(()) }
//! ```

mod cache;
mod metrics;
mod policy;
mod sealed;

pub use cache::{Cache, Cached};
pub use metrics::{Ignored, Metrics};
pub use policy::{Policy, Since};
pub use sealed::{OpenError, STATE_BYTES_MAX, SealError, Sealed};
