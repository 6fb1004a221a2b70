use rand::RngExt;
use rand::distr::Alphanumeric;

/// A password of 190 bits that needs no escaping in a URL, a properties file, SQL or a shell.
pub(crate) fn password() -> String {
    rand::rng().sample_iter(Alphanumeric).take(32).map(char::from).collect()
}

/// A Kafka cluster id: 128 random bits in the URL-safe alphabet, 22 characters.
pub(crate) fn cluster_id() -> String {
    let free: String = rand::rng().sample_iter(Alphanumeric).take(21).map(char::from).collect();
    format!("{free}A") // the last character carries two bits only
}
