//! What every HTTP face has in common: who asks, what may go wrong and how that is said, and a bound on everything that a
//! client or a server behind could drag out.
//!
//! It promises that
//!
//! - every wrong token is answered like every other, and none is logged ([`Gate`]);
//! - every failure is one of a closed list of problems, as RFC 9457 has it ([`problem`], `PROBLEMS.md`), under a correlation
//!   id that the log knows too ([`dressed`]);
//! - no client holds a connection, and no server behind a request, longer than stated ([`Server`], [`Backend`]);
//! - what was accepted before the end is finished, within a bound.
//!
//! It does not know what is asked for, nor how tokens come about (but see [`auth::Issuer`], for local stacks). TLS ends before it.

pub mod auth;
mod backend;
pub mod body;
mod config;
mod dressed;
mod edge;
mod gate;
pub mod headers;
mod metrics;
pub mod problem;
mod query;
mod rate;
pub mod schema;
mod server;
mod strict;
mod token;

pub use axum::Router;
pub use backend::{Backend, unavailable};
pub use config::HttpConfig;
pub use dressed::dressed;
pub use edge::Trace;
pub use gate::Gate;
pub use metrics::Metrics;
pub use query::{Parameters, path, refused};
pub use server::Server;
pub use token::{InvalidToken, Token};
