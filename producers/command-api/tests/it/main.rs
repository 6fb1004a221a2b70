//! The command API over real sockets, on a real Postgres.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod bad_input;
mod bounds;
mod commands;
mod description;
mod fixture;
mod idempotency;
mod keys;
mod tokens;
