//! A cluster through librdkafka's admin client, and quotas through Kafka's own program.

mod admin;
mod carry_out;
mod config;
mod error;
mod native;
mod quotas;

pub use admin::KafkaAdmin;
pub use config::{KafkaAdminConfig, Security};
pub use error::KafkaError;
