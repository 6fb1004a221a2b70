//! The chain from end to end, driven as a user drives it: by the program, on real servers.
//!
//! Each test has a tenant of its own, and ends in the same oracle: `millrace verify --full` says `proved`, about everything
//! that any test ever stored. Nothing runs beside those that kill servers, and of the others one at a time has the
//! projections of the shared stack: the test runner sees to it (`.config/nextest.toml`).

#![expect(clippy::unwrap_used, reason = "what helps a test may fail it")]

mod archive;
mod broken_links;
mod chain;
mod changes;
mod cli;
mod command_api;
mod connect_faults;
mod connect_guard;
mod crash;
mod freshness;
mod harness;
mod import;
mod janitor;
mod ledger;
mod own_projection;
mod parked;
mod parked_api;
mod poison;
mod query_api;
mod rebuild;
mod restore;
mod soak;
mod stop;
mod store;
mod tenancy;
mod topics;
mod wrong_rows;
mod zombie;
