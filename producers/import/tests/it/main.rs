//! Imports, from sources to stores.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod fixture;
mod postgres;
mod rollback;
mod rows;
mod runs;
mod sample;
