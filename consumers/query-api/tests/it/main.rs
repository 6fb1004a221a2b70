//! The query API over real sockets, on a real Postgres and a real Redis.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod changes;
mod description;
mod fixture;
mod fresh;
mod pages;
mod rows;
