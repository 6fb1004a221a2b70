//! The Redis sink against a real Redis and a real Postgres.

#![cfg(test)]

mod append_only;
mod cluster;
mod expire;
mod faults;
mod feed;
mod heals;
mod memory;
mod next;
mod parking;
mod proxy;
mod replica;
mod rows;
mod servers;
mod sink;
mod slots;
mod stage;
mod storm;
mod topic;
mod views;
mod wire;

kafka::sink_conformance!(sink::RedisSink::new().await);
