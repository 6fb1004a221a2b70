//! Postgres views against a real Postgres, and the whole read side against a real Kafka.

#![expect(clippy::unwrap_used, reason = "a test program: what fails, fails the test")]

mod broker;
mod claims;
mod columns;
mod faults;
mod feed;
mod groups;
mod masks;
mod mutants;
mod offsets;
mod outage;
mod parked;
mod redrive;
mod relay;
mod rows;
mod sink;
mod speed;
mod standby;
mod stop;
mod topic;
mod values;
mod wire;

kafka::sink_conformance!(sink::PostgresSink::new().await);
