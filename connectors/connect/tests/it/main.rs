//! The committed connector on a real Connect, from a real outbox into a real topic.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod apply;
mod chain;
mod records;
