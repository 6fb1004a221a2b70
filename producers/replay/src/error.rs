//! Why a replay did not come to its end.

use event_store::StoreError;

use crate::Failure;

/// A replay that did not come to its end. What took effect before is remembered; the next one goes on from there, and does
/// not meet again what could not be applied: that is named here and nowhere else.
#[derive(Debug, thiserror::Error)]
#[error("the replay stopped; {} events could not be applied until then{}", .failed, first(.failures))]
pub struct Stopped<E: std::error::Error + 'static> {
    /// Why.
    pub source: Error<E>,
    /// How many events could not be applied in this run.
    pub failed: u64,
    /// Which, by position; at most [`crate::Config::failures_max`].
    pub failures: Vec<Failure>,
}

fn first(failures: &[Failure]) -> String {
    let first = failures.first();
    first.map_or_else(String::new, |failure| format!(", first {}: {}", failure.event_id, failure.reason))
}

/// Why a replay did not come to its end.
#[derive(Debug, thiserror::Error)]
pub enum Error<E: std::error::Error + 'static> {
    /// The log could not be read; or it is another one than the checkpoints are of ([`StoreError::AheadOfLog`]).
    #[error("the log could not be read after position {after}")]
    Log {
        /// Up to here it was read.
        after: u64,
        /// Why not.
        source: StoreError,
    },
    /// The log does not say what left it.
    #[error("what left the log could not be listed")]
    Pruned(#[source] StoreError),
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
    #[error("more than {max} events could not be applied")]
    TooManyFailures {
        /// As many are let pass.
        max: usize,
    },
}
