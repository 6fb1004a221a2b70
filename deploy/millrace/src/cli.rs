//! The command line.

use clap::{CommandFactory, Parser, Subcommand};

use crate::exit::Exit;
use crate::{
    archive_command, backup, bench, command_api, connector, demo, events, import, migrate, parked,
    projections, reconcile, restore, run, schema, settings, snapshots, stack, stack_defaults, store, token,
    topics, up, verify, with,
};

/// Events out of Postgres, through Kafka, into projections; with proof
#[derive(Debug, Parser)]
#[command(name = "millrace", version, max_term_width = 110)]
#[command(
    after_help = "Exit status: 0 done, 1 failed or a check did not hold, 2 usage, 3 partly failed, 4 not found, 10 difference found"
)]
pub(crate) struct Cli {
    /// The local stack whose facts fill in what flags and environment leave open
    #[arg(long, visible_alias = "stack", env = "MILLRACE_STACK", default_value = stack_defaults::DEFAULT_STACK, global = true)]
    name: String,

    /// Print the settings in force and where each came from, then stop
    #[arg(long, global = true)]
    pub(crate) print_config: bool,

    #[command(flatten)]
    pub(crate) telemetry: service::TelemetryConfig,

    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Raise the local stack with everything in place
    Up(local::UpArgs),
    /// End the stack's processes; its data stay unless purged
    Down(local::DownArgs),
    /// Show the stack's components
    Status(local::StatusArgs),
    /// Print where the stack's components are and how to be let in, as `NAME=value`: `env $(millrace env) program …`
    Env,
    /// Show what the components print
    Logs(local::LogsArgs),
    /// Look for what could keep the stack from running, and say what to do
    Doctor(local::DoctorArgs),
    /// Renew the lock file of the stack's artifacts
    Lock(local::LockArgs),
    /// The connector from outbox to Kafka
    #[command(subcommand)]
    Connect(connector::ConnectCommand),
    /// Topics, users and access
    #[command(subcommand)]
    Topics(topics::TopicsCommand),
    /// Schemas of the events
    #[command(subcommand)]
    Schema(schema::SchemaCommand),
    /// Bring existing data in
    #[command(subcommand)]
    Import(import::ImportCommand),
    /// Play a long-running role
    #[command(subcommand)]
    Run(run::RunCommand),
    /// How the views stand
    #[command(subcommand)]
    Projections(projections::ProjectionsCommand),
    /// What could not be applied, and what to do about it
    #[command(subcommand)]
    Parked(parked::ParkedCommand),
    /// Compare store, topic and sinks, and name the first difference
    Verify(verify::VerifyArgs),
    /// The main job on real input: imported, proved, broken, poisoned, proved again
    Demo(demo::DemoArgs),
    /// Measure
    #[command(subcommand)]
    Bench(bench::Bench),
    /// Write the event store to files
    Backup(backup::BackupArgs),
    /// Fill an empty events' database from a backup
    Restore(restore::RestoreArgs),
    /// Give the store what only the topic has, or the topic what only the store has
    #[command(subcommand)]
    Reconcile(reconcile::ReconcileCommand),
    /// Streams that leave the store for a file, and come back
    #[command(subcommand)]
    Archive(archive_command::ArchiveCommand),
    /// Look at what was stored
    #[command(subcommand)]
    Events(events::EventsCommand),
    /// Keep the store in order: statistics, checks, erasure, removal, keys, retention, notes
    #[command(subcommand)]
    Store(store::StoreCommand),
    /// States kept so that not whole histories have to be folded
    #[command(subcommand)]
    Snapshots(snapshots::SnapshotsCommand),
    /// Issue a token for the command API of the local stack
    Token(token::TokenArgs),
    /// Print the command API's description (OpenAPI 3.1)
    Openapi,
    /// Migrate both databases and make the replication slot
    Migrate(migrate::MigrateArgs),
    /// Print every setting with its variable, flag and default, as Markdown
    Settings,
    /// Raise a stack, run a command, remove the stack
    With(with::WithArgs),
}

impl Cli {
    pub(crate) async fn run(self) -> anyhow::Result<Exit> {
        match self.command {
            Command::Up(args) => up::run(args).await,
            Command::Down(args) => local::down(&args).await.map(|()| Exit::Ok).map_err(Into::into),
            Command::Status(args) => stack::status(&args).await,
            Command::Env => stack::env(&self.name),
            Command::Logs(args) => local::logs(&args).await.map(|()| Exit::Ok).map_err(Into::into),
            Command::Doctor(args) => stack::doctor(&args).await,
            Command::Lock(args) => local::renew_lock(&args).await.map(|()| Exit::Ok).map_err(Into::into),
            Command::Connect(command) => command.run().await,
            Command::Topics(command) => command.run(&self.name).await,
            Command::Schema(command) => command.run().await,
            Command::Import(command) => command.run().await,
            Command::Run(command) => command.run().await,
            Command::Projections(command) => command.run().await,
            Command::Parked(command) => command.run().await,
            Command::Verify(args) => args.run().await,
            Command::Demo(args) => args.run(&self.name).await,
            Command::Bench(bench) => bench.run(&self.name).await,
            Command::Backup(args) => args.run().await,
            Command::Restore(args) => args.run().await,
            Command::Reconcile(command) => command.run().await,
            Command::Archive(command) => command.run().await,
            Command::Events(command) => command.run().await,
            Command::Store(command) => command.run().await,
            Command::Snapshots(command) => command.run().await,
            Command::Token(args) => args.run(&self.name),
            Command::Openapi => Ok(command_api::print_description()),
            Command::Migrate(args) => args.run().await,
            Command::Settings => Ok(settings::run(&Self::command())),
            Command::With(args) => args.run(&self.name).await,
        }
    }
}
