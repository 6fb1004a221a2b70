//! Where the API listens, and what bounds it.

use std::net::SocketAddr;
use std::time::Duration;

use clap::{Args, value_parser};
use http_api::HttpConfig;

/// Where the API listens, and what bounds it.
#[derive(Debug, Clone, Args)]
pub struct QueryConfig {
    /// Where the query API listens; port 0: any free one, logged at start
    #[arg(long, env = "MILLRACE_QUERY_ADDRESS", default_value = "127.0.0.1:8181", value_name = "ADDRESS")]
    pub query_address: SocketAddr,

    /// Most rows of one page
    #[arg(long, env = "MILLRACE_QUERY_ROWS_MAX", default_value_t = 1_000, value_name = "N",
          value_parser = value_parser!(u32).range(1..=100_000))]
    pub query_rows_max: u32,

    /// Longest wait that a read with a token may ask for, in milliseconds
    #[arg(long, env = "MILLRACE_QUERY_WAIT_MS_MAX", default_value_t = 10_000, value_name = "MS",
          value_parser = value_parser!(u64).range(0..=60_000))]
    pub query_wait_ms_max: u64,

    /// Most streams of changes at the same time; one more is answered 503. Each is an open connection
    #[arg(long, env = "MILLRACE_QUERY_STREAMS_MAX", default_value_t = 512, value_name = "N",
          value_parser = value_parser!(u32).range(0..=100_000))]
    pub query_streams_max: u32,

    /// Most streams of changes of one tenant at the same time
    #[arg(long, env = "MILLRACE_QUERY_TENANT_STREAMS_MAX", default_value_t = 64, value_name = "N",
          value_parser = value_parser!(u32).range(0..=100_000))]
    pub query_tenant_streams_max: u32,

    #[expect(missing_docs, reason = "a doc here would become the help's heading")]
    #[command(flatten)]
    pub http: HttpConfig,
}

impl QueryConfig {
    /// How long a read may wait.
    pub fn wait_max(&self) -> Duration {
        Duration::from_millis(self.query_wait_ms_max)
    }
}
