//! Postgres views against a real Postgres, and the whole read side against a real Kafka.

mod claims;
mod columns;
mod parked;
mod rows;
mod sink;
mod speed;
mod topic;

kafka::sink_conformance!(sink::PostgresSink::new().await);
