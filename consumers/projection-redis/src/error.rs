//! What can go wrong, and what it means for the work in hand.

use kafka::{Classify, Fault};
use redis::{ErrorKind, RedisError, ServerErrorKind};

/// What could not be done.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Redis refused, or did not answer in time; then it is not known what it did.
    #[error("cannot {action} in Redis namespace {namespace}")]
    Redis {
        /// What was tried, such as "flush partition 3".
        action: String,
        /// Where.
        namespace: String,
        /// What Redis said.
        #[source]
        source: RedisError,
    },
    /// The views' database refused or could not be asked.
    #[error("cannot {action} for {projection}")]
    Postgres {
        /// What was tried.
        action: &'static str,
        /// Whose.
        projection: &'static str,
        /// What the database said.
        #[source]
        source: sqlx::Error,
    },
    /// Epochs could not be had.
    #[error(transparent)]
    Ownership(#[from] Box<ownership::Error>),
    /// Parked keys could not be read or written.
    #[error(transparent)]
    DeadLetters(#[from] dead_letters::Error),
    /// A later owner was faster.
    #[error("partition {partition} of Redis namespace {namespace} has a later owner, epoch {epoch}")]
    Overtaken {
        /// Where.
        namespace: String,
        /// Which one.
        partition: i32,
        /// The later epoch.
        epoch: String,
    },
    /// Redis was wiped or rolled back, or somebody else wrote there. Its rows are older than what is known of them; a
    /// renewed claim tells from where to read again.
    #[error("partition {partition} of Redis namespace {namespace} does not stand where it was left: {found}")]
    Lost {
        /// Where.
        namespace: String,
        /// Which one.
        partition: i32,
        /// What stands instead.
        found: String,
    },
    /// The views' database has not seen what was parked last: it failed over without its last commits. A renewed claim tells
    /// from where to read again.
    #[error("Postgres has not what was parked last of partition {partition}")]
    Unparked {
        /// Which one.
        partition: i32,
    },
    /// One edition takes another's place. Where that was cut short, whoever did it has to end it.
    #[error(
        "partition {partition} of Redis namespace {namespace} is being switched to another edition; if nobody is at it any more, run the command that did it again"
    )]
    Switching {
        /// Where.
        namespace: String,
        /// Which one.
        partition: i32,
    },
    /// Another rebuild of the same projection went on meanwhile.
    #[error("another rebuild of Redis namespace {namespace} is at work")]
    RebuiltElsewhere {
        /// Where.
        namespace: String,
    },
    /// The namespace belongs to another projection, to this one over another topic, or to another edition of it.
    #[error("Redis namespace {namespace} belongs to {found}, not to {expected}")]
    ForeignNamespace {
        /// Where.
        namespace: String,
        /// Who claimed it first: projection and topic.
        found: String,
        /// Who claims it now.
        expected: String,
    },
    /// A stored row is none of this projection's views: another program wrote it, or the view has changed.
    #[error("{key} holds no view of this projection")]
    BadRow {
        /// The key in Redis.
        key: String,
        /// What does not fit.
        #[source]
        source: serde_json::Error,
    },
    /// A script answered what no script of this version does.
    #[error("a script in Redis namespace {namespace} answered {answer:?}")]
    BadAnswer {
        /// Where.
        namespace: String,
        /// What it said.
        answer: String,
    },
    /// A view that no document can hold, or a score that no leaderboard holds exactly.
    #[error("{aggregate_id} cannot be stored: {reason}")]
    Unstorable {
        /// Whose view.
        aggregate_id: events::AggregateId,
        /// Why not.
        reason: String,
    },
}

impl Classify for Error {
    fn fault(&self) -> Fault {
        match self {
            Self::Redis { source, .. } => redis_fault(source),
            Self::Postgres { source, .. } => dead_letters::sql_fault(source),
            Self::Ownership(error) => dead_letters::sql_fault(&error.source),
            Self::DeadLetters(error) => error.fault(),
            Self::Overtaken { .. } | Self::Lost { .. } | Self::Unparked { .. } | Self::Switching { .. } => {
                Fault::Transient
            }
            Self::RebuiltElsewhere { .. }
            | Self::ForeignNamespace { .. }
            | Self::BadRow { .. }
            | Self::BadAnswer { .. } => Fault::Fatal,
            Self::Unstorable { .. } => Fault::Poison,
        }
    }
}

/// Wrong passwords, rights and programs do not mend by waiting; everything else may.
fn redis_fault(error: &RedisError) -> Fault {
    match error.kind() {
        ErrorKind::AuthenticationFailed
        | ErrorKind::InvalidClientConfig
        | ErrorKind::UnexpectedReturnType
        | ErrorKind::Server(ServerErrorKind::NoPerm | ServerErrorKind::CrossSlot) => Fault::Fatal,
        // Among the errors without a kind of their own, those of a script are ours.
        ErrorKind::Server(ServerErrorKind::ResponseError)
            if error.detail().is_some_and(|detail| detail.contains("script") && !is_moving(detail)) =>
        {
            Fault::Fatal
        }
        _ => match error.code() {
            Some("NOAUTH" | "WRONGPASS" | "WRONGTYPE") => Fault::Fatal,
            _ => Fault::Transient,
        },
    }
}

/// Whether a script was stopped by a cluster that is down, or by a slot that moves to another node.
fn is_moving(detail: &str) -> bool {
    detail.contains("cluster is down") || detail.contains("non local key")
}
