//! Schemas into the registry.

use std::path::PathBuf;

use catalog::{Published, Tree};
use clap::Args;
use comfy_table::Table;
use events::each_event_set;

use crate::exit::Exit;

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
    registry: wire::RegistryConfig,
}

impl PublishArgs {
    pub(super) async fn run(self) -> anyhow::Result<Exit> {
        let published = match self.from {
            Some(folder) => {
                let registry = wire::Registry::new(&self.schema.registry)?;
                catalog::publish_tree(&registry, &Tree::read(&folder)?).await?
            }
            None => publish(&self.schema).await?,
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
