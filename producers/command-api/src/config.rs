//! Where the API listens, and what bounds it.

use std::net::SocketAddr;

use clap::{Args, value_parser};
use http_api::HttpConfig;

/// Where the API listens, and what bounds it.
#[derive(Debug, Clone, Args)]
pub struct ApiConfig {
    /// Where the command API listens; port 0: any free one, logged at start
    #[arg(long, env = "MILLRACE_API_ADDRESS", default_value = "127.0.0.1:8180", value_name = "ADDRESS")]
    pub api_address: SocketAddr,

    /// Largest body, in bytes; 1000 events in one batch take less
    #[arg(long, env = "MILLRACE_API_BODY_BYTES_MAX", default_value_t = 1_048_576, value_name = "BYTES",
          value_parser = value_parser!(u64).range(1024..=16_777_216))]
    pub api_body_bytes_max: u64,

    #[expect(missing_docs, reason = "a doc here would become the help's heading")]
    #[command(flatten)]
    pub http: HttpConfig,
}
