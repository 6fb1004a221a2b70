//! Whose tokens are believed.

use clap::Args;

/// Whose tokens are believed.
#[derive(Debug, Clone, Args)]
pub struct AuthConfig {
    /// The keys that tokens are signed with, as a JSON Web Key Set: a file, or an https URL (http on loopback alone)
    #[arg(long, env = "MILLRACE_API_KEYS", value_name = "FILE|URL")]
    pub api_keys: String,

    /// The audience that a token must name
    #[arg(long, env = "MILLRACE_API_AUDIENCE", default_value = "millrace", value_name = "NAME")]
    pub api_audience: String,

    /// The issuer that a token must name
    #[arg(long, env = "MILLRACE_API_ISSUER", default_value = "millrace-local", value_name = "NAME")]
    pub api_issuer: String,
}
