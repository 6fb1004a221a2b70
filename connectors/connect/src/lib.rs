//! Applies connectors from their JSON files to a Connect worker, and reports what is true.
//!
//! It promises that a connector is validated before anything changes, that applying the same file again changes
//! nothing, that "applied" means connector and tasks are running (and whatever else the caller asks for, such as an
//! active replication slot), and that it shows no secret. Every wait has a bound. Of what a connector does it knows one
//! thing: which settings of an outbox's lose events ([`lint`]).

mod client;
mod config;
mod connector;
mod error;
mod lint;
mod offsets;
mod plan;
mod status;

pub use client::{Applied, Client, Validation};
pub use config::Config;
pub use connector::Connector;
pub use error::{Error, FieldErrors};
pub use lint::{Finding, lint, lint_together, unknown};
pub use offsets::Offsets;
pub use plan::{Change, Plan};
pub use status::{State, Status, TaskStatus};
