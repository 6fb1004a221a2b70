//! The Redis sink against a real Redis and a real Postgres.

#![cfg(test)]

mod faults;
mod parking;
mod proxy;
mod stage;
mod storm;
mod views;
