//! Subscriptions over both stores.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod checkpoint;
mod fixture;
mod following;
mod held_back;
mod storm;
