//! The steward at work on a real Postgres.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod check;
mod erasure;
mod fixture;
mod metadata;
mod plaintext;
mod removal;
mod retention;
mod rotation;
