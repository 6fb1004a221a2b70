//! The event store on a real Postgres, and the in-memory one beside it.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod access;
mod conformance;
mod execute;
mod fixture;
mod partitions;
mod proxy;
mod round_trips;
mod settled;
mod transactions;
