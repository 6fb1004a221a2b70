//! The REST face of the write side: commands in, tokens out.
//!
//! An aggregate of any domain is served by one line; everything around it is the same for all: strict JSON, and what
//! [`http_api`] gives every API: who asks, how much they may ask, one shape for every problem, bounds.
//!
//! It promises that
//!
//! - what is answered with a token is stored, and what is answered with a problem is not, but for `outcome-unknown`, which says so;
//! - a batch is recorded whole or not at all, and what carries an idempotency key is carried out once;
//! - another tenant's aggregate answers like an unknown one, and every wrong token like every other;
//! - a body and a fault's cause are never logged to, or told to, anybody who did not send them.
//!
//! It does not know the domain or Kafka.
//!
//! ```no_run
//! use command_api::{Api, ApiConfig};
//! use http_api::auth::{AuthConfig, Verifier};
//! use http_api::{Metrics, Server};
//! # use event_store::{EventStore, Repository};
//! # async fn example<A: command_api::Exposed, S: EventStore + Clone + 'static>(
//! #     store: S, repository: Repository<A, S>, config: ApiConfig, auth: AuthConfig,
//! # ) -> Result<(), Box<dyn std::error::Error>> {
//! let api = Api::new(store, Verifier::open(&auth).await?, &config, Metrics::default())
//!     .aggregate(repository);
//! Server::bind(config.api_address, &config.http).await?.serve(api.routes(), Default::default()).await;
//! # Ok(())
//! # }
//! ```

mod api;
mod batch;
mod command;
mod config;
mod connections;
mod face;
mod headers;
pub mod openapi;
mod readiness;

pub use api::Api;
pub use config::ApiConfig;
pub use connections::serve_usage;
pub use face::Exposed;
pub use readiness::readiness;
