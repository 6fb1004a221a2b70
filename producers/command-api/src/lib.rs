//! The REST face of the write side: commands in, tokens out.
//!
//! An aggregate of any domain is served by one line; everything around it is the same for all: who asks (a signed token), how
//! much they may ask, strict JSON, one shape for every problem (`PROBLEMS.md`), and a bound on everything that a client or a
//! server behind could drag out.
//!
//! It promises that
//!
//! - what is answered with a token is stored, and what is answered with a problem is not, but for `outcome-unknown`, which says so;
//! - a batch is recorded whole or not at all, and what carries an idempotency key is carried out once;
//! - another tenant's aggregate answers like an unknown one, and every wrong token like every other;
//! - a body, a token and a fault's cause are never logged to, or told to, anybody who did not send them;
//! - what was accepted before the end is finished, within a bound.
//!
//! It does not know the domain, Kafka, or how tokens come about (but see [`auth::Issuer`], for local stacks). TLS ends before it.
//!
//! ```no_run
//! use command_api::auth::{AuthConfig, Verifier};
//! use command_api::{Api, ApiConfig, Metrics, Server};
//! # use event_store::{EventStore, Repository};
//! # async fn example<A: command_api::Exposed, S: EventStore + Clone + 'static>(
//! #     store: S, repository: Repository<A, S>, config: ApiConfig, auth: AuthConfig,
//! # ) -> Result<(), Box<dyn std::error::Error>> {
//! let api = Api::new(store, Verifier::open(&auth).await?, &config, Metrics::default())
//!     .aggregate(repository);
//! Server::bind(&config).await?.serve(api.routes(), Default::default()).await;
//! # Ok(())
//! # }
//! ```

mod api;
pub mod auth;
mod backend;
mod batch;
mod body;
mod command;
mod config;
mod connections;
mod edge;
mod face;
mod headers;
mod metrics;
pub mod openapi;
pub mod problem;
mod rate;
mod readiness;
mod server;
mod strict;

pub use api::Api;
pub use config::ApiConfig;
pub use connections::serve_usage;
pub use face::Exposed;
pub use metrics::Metrics;
pub use readiness::readiness;
pub use server::Server;
