//! Renews the lock until the `millrace` binary does.
#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    local::lock::renew("deploy/local/lock.toml".as_ref()).await?;
    Ok(())
}
