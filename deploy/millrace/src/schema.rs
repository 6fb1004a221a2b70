//! `millrace schema`: the registry as this program's events need it.

use std::path::PathBuf;

use catalog::Published;
use clap::{Args, Subcommand};
use comfy_table::Table;
use events::each_event_set;

use crate::exit::Exit;

/// What to do with the schemas.
#[derive(Debug, Subcommand)]
pub(crate) enum SchemaCommand {
    /// Register every version of every event's schema; every version must read every other
    Publish(PublishArgs),
}

#[derive(Debug, Clone, Args)]
pub(crate) struct PublishArgs {
    /// Schemas of a domain of your own, at DIR/<topic>/<Record>/<version>.avsc, instead of this program's
    #[arg(long, value_name = "DIR")]
    from: Option<PathBuf>,
    #[command(flatten)]
    schema: SchemaArgs,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct SchemaArgs {
    #[command(flatten)]
    pub(crate) registry: wire::RegistryConfig,
}

impl SchemaCommand {
    pub(crate) async fn run(self) -> anyhow::Result<Exit> {
        let Self::Publish(PublishArgs { from, schema }) = self;
        let published = match from {
            Some(folder) => catalog::publish_folder(&wire::Registry::new(&schema.registry)?, &folder).await?,
            None => publish(&schema).await?,
        };
        let mut table = Table::new();
        table.set_header(["subject", "version", "id", ""]);
        for Published { subject, version, id, new } in published {
            let new = if new { "new" } else { "" };
            table.add_row([subject, version.to_string(), id.to_string(), new.to_owned()]);
        }
        println!("{table}");
        Ok(Exit::Ok)
    }
}

/// Registers the schemas of every domain of this program.
pub(crate) async fn publish(args: &SchemaArgs) -> anyhow::Result<Vec<Published>> {
    let registry = wire::Registry::new(&args.registry)?;
    let mut published = Vec::new();
    each_event_set!(E => { published.extend(catalog::publish::<E>(&registry).await?) });
    Ok(published)
}
