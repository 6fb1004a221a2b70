//! The Redis sink against a real Redis and a real Postgres.

mod faults;
mod parking;
mod proxy;
mod stage;
mod views;
