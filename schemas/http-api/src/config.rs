//! What an API grants to whom, before anybody asks.

use std::time::Duration;

use clap::Args;
use clap::value_parser;

/// What bounds an API.
#[derive(Debug, Clone, Args)]
pub struct HttpConfig {
    /// Most requests that are served at the same time; one more is answered 503. A few per connection to the
    /// database, since most of a request's time is spent there
    #[arg(long, env = "MILLRACE_API_REQUESTS_MAX", default_value_t = 64, value_name = "N",
          value_parser = value_parser!(u32).range(1..=10_000))]
    pub api_requests_max: u32,

    /// Most open connections of clients; further ones wait to be accepted
    #[arg(long, env = "MILLRACE_API_CONNECTIONS_MAX", default_value_t = 1_024, value_name = "N",
          value_parser = value_parser!(u32).range(1..=100_000))]
    pub api_connections_max: u32,

    /// Requests per second that one tenant may make; a batch counts as many as it has commands
    #[arg(long, env = "MILLRACE_API_RATE", default_value_t = 1_000, value_name = "N",
          value_parser = value_parser!(u32).range(1..=1_000_000))]
    pub api_rate: u32,

    /// Requests that one tenant may make at once after a pause
    #[arg(long, env = "MILLRACE_API_BURST", default_value_t = 2_000, value_name = "N",
          value_parser = value_parser!(u32).range(1..=1_000_000))]
    pub api_burst: u32,

    /// Longest time for a request's headers, and again for its body, to arrive, in milliseconds
    #[arg(long, env = "MILLRACE_API_ARRIVAL_MS_MAX", default_value_t = 5_000, value_name = "MS",
          value_parser = value_parser!(u64).range(10..=300_000))]
    pub api_arrival_ms_max: u64,

    /// Longest time that the servers behind may take for one request, in milliseconds
    #[arg(long, env = "MILLRACE_API_ANSWER_MS_MAX", default_value_t = 10_000, value_name = "MS",
          value_parser = value_parser!(u64).range(10..=300_000))]
    pub api_answer_ms_max: u64,

    /// Longest time to finish what was accepted after being asked to stop, in milliseconds
    #[arg(long, env = "MILLRACE_API_DRAIN_MS_MAX", default_value_t = 10_000, value_name = "MS",
          value_parser = value_parser!(u64).range(1..=300_000))]
    pub api_drain_ms_max: u64,

    /// Web origins whose pages may call the API, such as `https://console.example`; none by default
    #[arg(long, env = "MILLRACE_API_ORIGINS", value_name = "ORIGIN", value_delimiter = ',', value_parser = origin)]
    pub api_origins: Vec<String>,
}

/// A web origin as browsers write it: scheme, host and port, and nothing after them.
fn origin(text: &str) -> Result<String, String> {
    let host = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://")).unwrap_or_default();
    let is_host = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-.:[]".contains(&b);
    if !host.is_empty() && host.bytes().all(is_host) {
        Ok(text.to_owned())
    } else {
        Err("not an origin such as https://console.example:8443, in lower case and without a path".to_owned())
    }
}

impl HttpConfig {
    /// How long headers, and again a body, may take to arrive.
    pub fn arrival_max(&self) -> Duration {
        Duration::from_millis(self.api_arrival_ms_max)
    }

    /// How long the servers behind may take.
    pub fn answer_max(&self) -> Duration {
        Duration::from_millis(self.api_answer_ms_max)
    }

    /// How long finishing may take.
    pub fn drain_max(&self) -> Duration {
        Duration::from_millis(self.api_drain_ms_max)
    }
}
