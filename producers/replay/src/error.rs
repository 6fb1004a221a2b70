//! Why a replay did not come to its end.

use event_store::StoreError;

use crate::Failure;

/// Why a replay did not come to its end. What took effect before is remembered; the next one goes on from there.
#[derive(Debug, thiserror::Error)]
pub enum Error<E: std::error::Error + 'static> {
    /// The log could not be read.
    #[error("the log could not be read after position {after}")]
    Log {
        /// Up to here it was read.
        after: u64,
        /// Why not.
        source: StoreError,
    },
    /// The effect does not say where it is.
    #[error("the checkpoints could not be read")]
    Checkpoints(#[source] E),
    /// A batch had no effect, also when it was tried again.
    #[error("the events of lane {lane} after position {after}, up to {through}, had no effect")]
    Effect {
        /// Whose batch.
        lane: u16,
        /// Where it began.
        after: u64,
        /// Where it ended.
        through: u64,
        /// Why not.
        source: E,
    },
    /// Too many events cannot be applied: that is no bad event, but a bad effect.
    #[error("{} events could not be applied, first {}: {}", .0.len(), first(.0).0, first(.0).1)]
    TooManyFailures(Vec<Failure>),
}

fn first(failures: &[Failure]) -> (String, &str) {
    failures.first().map_or((String::new(), ""), |failure| (failure.event_id.to_string(), &failure.reason))
}
