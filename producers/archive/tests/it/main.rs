//! Files against real servers.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod backup;
mod brought_back;
mod damage;
mod every_table;
mod fixture;
mod streams;
