//! The consumer runtime: poll thread, ownership hand-over, lanes, lag.
//!
//! It carries records from one topic through a [`projection::Projection`] into a [`ViewStore`], and promises that each
//! record is applied, parked with its reason, or stops the program; that each aggregate's events take effect in order
//! and once; and that every queue, batch and wait has a bound. Truth about progress is the sink's: Kafka's committed
//! offsets are written as a hint for lag tools and never read.
//!
//! It does not know what a sink is made of, nor what the events mean.

mod behind;
mod broker;
mod cache;
mod changes;
mod config;
#[cfg(feature = "conformance")]
pub mod conformance;
mod fault;
mod handover;
mod headers;
mod lane;
mod metrics;
mod parking;
mod partition;
mod poll;
mod projector;
mod queue;
mod reading;
mod record;
mod rhythm;
mod signals;
mod standing;
mod store;
mod topic_id;
mod way;

pub use behind::Behind;
pub use broker::{BrokerConfig, Password};
pub use changes::{Changes, Progress, RowChange, Source};
pub use config::{GroupProtocol, ProjectorConfig};
pub use fault::{Classify, Fault};
pub use headers::Headers;
pub use lane::preview::{Foreseen, Preview, RowForeseen, preview};
pub use metrics::Metrics;
pub use parking::{
    Action, Decided, Decision, Hints, Park, ParkKey, ParkedKey, ParkedRecord, Reason, Release, Request,
    Settled, Stopped,
};
pub use partition::{murmur2, partition_of};
pub use projector::{Projector, ProjectorError};
pub use reading::{ReadError, Shortened, TopicReader, Watermarks};
pub use record::{Fingerprint, Record};
pub use standing::{End, Standing};
pub use store::{Claim, Committed, Loaded, RowKey, Tenure, ViewStore};
pub use way::Hops;
