//! The one binary: every command, and every role as `millrace run <role>`.
//!
//! Here the parts are put together and nothing else is done: configuration is read, adapters are connected, answers are
//! printed. Data goes to stdout, everything else to stderr; the exit status says what happened (`millrace help exit`).

mod archive_command;
mod backup;
mod bench;
mod chain;
mod cli;
mod command_api;
mod connect_guard;
mod connector;
mod demo;
mod events;
mod exit;
mod import;
mod janitor;
mod keys;
mod migrate;
mod parked;
mod parked_api;
mod print_config;
mod program;
mod progress;
mod projections;
mod query_api;
mod reconcile;
mod restore;
mod role;
mod run;
mod schema;
mod settings;
mod snapshots;
mod stack;
mod stack_defaults;
mod store;
mod token;
mod topics;
mod up;
mod verify;
mod with;

use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches};

pub use program::Program;
pub use projection_postgres::Tables;
pub use projections::{InPostgres, InRedis, TotalsShown};

/// What a record costs is much memory that one thread takes and another gives back, librdkafka's among it.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// The whole program: what its arguments ask for.
pub async fn main(program: Program) -> ExitCode {
    program.begin();
    let arguments: Vec<_> = std::env::args_os().collect();
    let named = stack_defaults::named_stack(&arguments, std::env::var_os("MILLRACE_STACK"));
    let facts = stack_defaults::facts(&named);
    let command = stack_defaults::fill_in(cli::Cli::command(), &facts);
    let matches = command.clone().get_matches_from(arguments);
    let cli = match cli::Cli::from_arg_matches(&matches) {
        Ok(cli) => cli,
        Err(error) => error.exit(),
    };
    if cli.print_config {
        println!("{}", print_config::table(&command, &matches));
        return exit::Exit::Ok.into();
    }
    if let Err(error) = service::init_telemetry(&cli.telemetry) {
        eprintln!("error: --log cannot be read: {error}");
        return ExitCode::from(2);
    }
    match cli.run().await {
        Ok(exit) => exit.into(),
        Err(error) => {
            eprintln!("error: {error:#}");
            exit::Exit::Failed.into()
        }
    }
}
