//! Raises a stack until the `millrace` binary does.
#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let name = std::env::args().nth(1).unwrap_or_else(|| "dev".to_owned());
    let raising = local::Stack::open(&name)?.raise().await?;
    raising.servers().await?;
    raising.connect().await?;
    Ok(())
}
