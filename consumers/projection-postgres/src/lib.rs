//! Postgres views: one fenced transaction per flush.
//!
//! [`PostgresViews`] keeps one table of views, and optionally one of totals, for one projection. Offsets, rows, totals,
//! parked records and decisions move in the same transaction, fenced by the partition's epoch and gated by each row's
//! version: so it promises that whatever crashes whenever, the views are those of a prefix of every partition, each
//! event in them once. A row that could not be written as worked out rolls the transaction back.
//!
//! Rows go in and out in the view's serde form, field by field; the table's columns are checked against the view's
//! fields when it is opened. It knows no projection, and no Kafka: it is called by [`kafka::Projector`].

mod config;
mod connection;
mod error;
mod fields;
mod migrate;
mod reader;
mod store;
mod table;
mod totals;

pub use config::PostgresConfig;
pub use error::Error;
pub use migrate::migrate;
pub use reader::{ViewRow, scan};
pub use store::{PostgresViews, Tables};
