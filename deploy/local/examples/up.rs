//! The commands of a stack until the `millrace` binary has them.
use clap::{Parser, Subcommand};

#[derive(Parser)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Up(local::UpArgs),
    Servers(local::UpArgs),
    Down(local::DownArgs),
    Status(local::StatusArgs),
    Logs(local::LogsArgs),
    Doctor(local::DoctorArgs),
    Lock(local::LockArgs),
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    match Cli::parse().command {
        Command::Up(args) => {
            let raising = local::up(&args).await?;
            raising.servers().await?;
            raising.connect().await?;
            println!("{}", raising.raised());
        }
        Command::Servers(args) => {
            let raising = local::up(&args).await?;
            raising.servers().await?;
            println!("{}", raising.raised());
        }
        Command::Down(args) => local::down(&args).await?,
        Command::Status(args) => {
            let status = local::status(&args).await?;
            println!("{}", if args.json { serde_json::to_string(&status)? } else { status.to_string() });
        }
        Command::Logs(args) => local::logs(&args).await?,
        Command::Doctor(args) => print!("{}", local::doctor(&args).await?),
        Command::Lock(args) => local::renew_lock(&args).await?,
    }
    Ok(())
}
