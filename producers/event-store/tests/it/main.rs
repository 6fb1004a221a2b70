//! The event store on a real Postgres, and the in-memory one beside it.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod access;
mod conformance;
mod fixture;
mod idempotency;
mod log;
mod partitions;
mod proxy;
mod pruned;
mod repository;
mod round_trips;
mod settled;
<<<<<<< HEAD
mod subject_keys;
=======
mod tenancy;
>>>>>>> 5d3be53 (wip janitor)
mod transactions;
