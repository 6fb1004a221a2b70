//! A cluster through librdkafka's admin client.

mod admin;
mod carry_out;
mod config;
mod error;
mod native;

pub use admin::KafkaAdmin;
pub use config::{KafkaAdminConfig, Security};
pub use error::KafkaError;
