//! Postgres views: one fenced transaction per flush.
//!
//! [`PostgresViews`] keeps one table of views, and optionally one of totals, for one projection. Offsets, rows, totals,
//! parked records and decisions move in the same transaction, fenced by the partition's epoch and gated by each row's
//! version: so it promises that whatever crashes whenever, the views are those of a prefix of every partition, each
//! event in them once. A row that could not be written as worked out rolls the transaction back. The statement that writes rows
//! also tells the feed of them ([`PostgresViews::with_feed`]), which [`Readers::changes`] reads without passing one over.
//!
//! Rows go in and out in the view's serde form, field by field; the table's columns are checked against the view's
//! fields when it is opened. It knows no projection, and no Kafka: it is called by [`kafka::Projector`].
//!
//! ```no_run
//! # async fn example<P: projection::Projection>(
//! #     broker: kafka::BrokerConfig, projector: kafka::ProjectorConfig, registry: wire::Registry,
//! #     postgres: projection_postgres::PostgresConfig, stop: tokio_util::sync::CancellationToken,
//! # ) -> Result<(), Box<dyn std::error::Error>> {
//! use kafka::Projector;
//! use projection_postgres::{PostgresViews, Tables};
//!
//! let tables = Tables { view: "execution", totals: Some("execution_total") };
//! let store = PostgresViews::<P>::open(&postgres, tables).await?;
//! let projector = Projector::<P, _>::new(&broker, projector, wire::Decoder::new(registry), store);
//! let metrics = projector.metrics();
//! projector.run(stop).await?;
//! # drop(metrics);
//! # Ok(())
//! # }
//! ```

mod config;
mod connection;
mod error;
mod feed;
mod fields;
mod line;
mod mask;
mod migrate;
mod next;
mod readers;
mod scan;
mod store;
mod table;
mod totals;

pub use config::PostgresConfig;
pub use error::Error;
pub use feed::PostgresFeedConfig;
pub use migrate::{Definition, OtherEdition, check_edition, migrate};
pub use next::{NextTables, abandon, go_back};
pub use readers::{
    Change, Comparison, Filter, Found, Freshness, Kind, Order, Readers, ReadersConfig, Relation,
    RelationColumn, Selection, Test, Versioned,
};
pub use scan::{Share, ViewRow, load, scan, scan_sums, scan_totals};
pub use store::{PostgresViews, Tables};
