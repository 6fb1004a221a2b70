//! Replays over both stores.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod in_memory;
mod resumed;
