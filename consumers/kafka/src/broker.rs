//! How any client of ours reaches the broker.

use std::convert::Infallible;
use std::fmt;
use std::str::FromStr;

use clap::Args;
use rdkafka::ClientConfig;

/// Where the brokers are.
#[derive(Debug, Clone, Args)]
pub struct BrokerConfig {
    /// Kafka's addresses, as host:port,host:port
    #[arg(long = "kafka-bootstrap", env = "MILLRACE_KAFKA_BOOTSTRAP")]
    pub bootstrap: String,
}

/// A password that no log and no debug print shows.
#[derive(Clone, PartialEq, Eq)]
pub struct Password(String);

impl Password {
    /// The password itself.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl FromStr for Password {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(…)")
    }
}

impl BrokerConfig {
    /// The settings every client shares: SCRAM-SHA-512 as `user`, or in the clear where there is no password.
    pub fn client(&self, user: &str, password: Option<&Password>) -> ClientConfig {
        let mut client = ClientConfig::new();
        client
            .set("bootstrap.servers", &self.bootstrap)
            .set("client.id", format!("millrace-{user}"))
            // A broker that comes back is found again within a second, not after ten.
            .set("reconnect.backoff.ms", "50")
            .set("reconnect.backoff.max.ms", "1000");
        if let Some(password) = password {
            client
                .set("security.protocol", "SASL_PLAINTEXT")
                .set("sasl.mechanism", "SCRAM-SHA-512")
                .set("sasl.username", user)
                .set("sasl.password", password.expose());
        }
        client
    }
}
