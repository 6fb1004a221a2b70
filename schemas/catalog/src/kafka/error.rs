//! What can go wrong with a cluster.

use rdkafka::error::{KafkaError as ClientError, RDKafkaErrorCode};

use crate::Refusal;

/// A cluster's refusal, or its absence.
#[derive(Debug, thiserror::Error)]
pub enum KafkaError {
    /// No connection, or no permission to have one.
    #[error("the Kafka cluster at {bootstrap} could not {action}{}", hint(cause.as_deref()))]
    Cluster {
        /// Where it should be.
        bootstrap: String,
        /// What it was asked to do.
        action: String,
        /// What the client last complained about.
        cause: Option<String>,
        /// What the request ended with.
        source: Box<ClientError>,
    },
    /// The cluster answered, and refused one thing.
    #[error("{what} was refused by the cluster: {reason}")]
    Refused {
        /// Which step.
        what: String,
        /// The cluster's words.
        reason: String,
    },
    /// The manifest asks for what may not be done by machine; nothing was changed.
    #[error("nothing was changed, because {}", list(.0))]
    Plan(Vec<Refusal>),
    /// Everything was done, but the cluster does not show it.
    #[error("{steps} steps were taken, but {missing} of them do not show after {seconds} s: {first}")]
    NotSettled {
        /// How many were taken.
        steps: usize,
        /// How many are still to do.
        missing: usize,
        /// One of them.
        first: String,
        /// How long it was waited for.
        seconds: u64,
    },
    /// The background work was stopped from outside.
    #[error("the request to the Kafka cluster was abandoned")]
    Abandoned,
}

impl KafkaError {
    pub(super) fn is_existing_topic(code: RDKafkaErrorCode) -> bool {
        code == RDKafkaErrorCode::TopicAlreadyExists
    }
}

fn hint(cause: Option<&str>) -> String {
    cause.map(|cause| format!(" ({cause})")).unwrap_or_default()
}

fn list(refusals: &[Refusal]) -> String {
    refusals.iter().map(ToString::to_string).collect::<Vec<_>>().join("; and because ")
}
