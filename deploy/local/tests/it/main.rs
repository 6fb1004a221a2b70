//! The local stack, with real servers where they are cheap: Postgres and Redis in a home of each test's own.

#![expect(clippy::unwrap_used, reason = "what helps a test may fail it")]

mod lifecycle;
mod lock;
mod secrets;
mod topology;
mod trouble;
