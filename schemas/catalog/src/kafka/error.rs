//! What can go wrong with a cluster.

use std::path::PathBuf;

use rdkafka::error::KafkaError as ClientError;

use crate::{PasswordError, PlanFileError, Refusal};

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
    /// It is not the cluster that was meant; nothing was changed.
    #[error("the Kafka cluster at {bootstrap} is {found}, not {expected}; nothing was changed")]
    WrongCluster {
        /// Where it is.
        bootstrap: String,
        /// The id that was asked for.
        expected: String,
        /// The id it has.
        found: String,
    },
    /// The manifest declares quotas, and there is no program to look at them with; nothing was changed.
    #[error(
        "the manifest declares quotas, for which Kafka's own kafka-configs.sh is needed; name it by MILLRACE_KAFKA_CONFIGS"
    )]
    NoConfigsProgram,
    /// That program could not be run.
    #[error("{} could not be run", program.display())]
    Program {
        /// Which program.
        program: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// A plan file no longer stands; nothing was changed.
    #[error(transparent)]
    PlanFile(#[from] PlanFileError),
    /// A user should get a password that is not there; nothing was changed.
    #[error(transparent)]
    Password(#[from] PasswordError),
    /// A password was set, and does not work.
    #[error("user {user} has a new password and cannot log in with it")]
    LogIn {
        /// Whose.
        user: String,
        /// What came of it.
        source: Box<ClientError>,
    },
    /// The background work was stopped from outside.
    #[error("the request to the Kafka cluster was abandoned")]
    Abandoned,
}

fn hint(cause: Option<&str>) -> String {
    cause.map(|cause| format!(" ({cause})")).unwrap_or_default()
}

fn list(refusals: &[Refusal]) -> String {
    refusals.iter().map(ToString::to_string).collect::<Vec<_>>().join("; and because ")
}
