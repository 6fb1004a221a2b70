//! How to reach Connect.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

/// The Connect worker and the file it reads secrets from.
#[derive(Debug, Clone, Args)]
pub struct Config {
    /// Connect's REST interface, such as `http://127.0.0.1:8083`
    #[arg(long, env = "MILLRACE_CONNECT_URL", value_name = "URL")]
    pub connect_url: String,

    /// The properties file, on the worker's machine, that connectors name secrets in
    #[arg(long, env = "MILLRACE_CONNECT_SECRETS", value_name = "FILE")]
    pub connect_secrets: PathBuf,

    /// Longest wait for a connector to run, in seconds; a cold worker takes some ten
    #[arg(long, env = "MILLRACE_CONNECT_WAIT_S_MAX", default_value_t = 60, value_name = "S")]
    pub connect_wait_s_max: u64,
}

impl Config {
    /// The longest wait for a connector to run.
    pub fn wait_max(&self) -> Duration {
        Duration::from_secs(self.connect_wait_s_max)
    }
}
