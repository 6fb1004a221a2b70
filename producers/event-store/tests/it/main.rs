//! The event store on a real Postgres, and the in-memory one beside it.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod access;
mod conformance;
mod fixture;
mod idempotency;
mod log;
mod partitions;
mod personal;
mod pruned;
mod repository;
mod round_trips;
mod settled;
mod snapshots;
mod subject_keys;
mod tenancy;
mod transactions;
