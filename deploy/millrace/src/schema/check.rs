//! What the schema files promised.

use anyhow::Context;
use catalog::{Checked, Frozen, LiveSchemas};
use clap::Args;

use super::FolderArgs;
use crate::exit::Exit;

#[derive(Debug, Clone, Args)]
pub(crate) struct CheckArgs {
    #[command(flatten)]
    folder: FolderArgs,

    /// Compare the files with one another and with their digests alone, and say what was not looked at
    #[arg(long)]
    offline: bool,

    /// The registry's Confluent-compatible address, such as `http://127.0.0.1:8081/apis/ccompat/v7`
    #[arg(long, env = "MILLRACE_REGISTRY_URL")]
    registry_url: Option<String>,

    /// Print findings as JSON, one object a line
    #[arg(long)]
    json: bool,
}

impl CheckArgs {
    pub(super) async fn run(self) -> anyhow::Result<Exit> {
        let (tree, frozen) = (self.folder.tree()?, Frozen::read(&self.folder.from)?);
        let Checked { files, pairs, mut findings } = catalog::check(&tree, &frozen);
        let live = if self.offline {
            "the registry was not asked (--offline): versions that it has and no file has are not found"
                .to_owned()
        } else {
            let url = self.registry_url.as_deref();
            let url = url.context("no registry is given: set MILLRACE_REGISTRY_URL, or say --offline")?;
            let registry = wire::Registry::new(&wire::RegistryConfig::at(url))?;
            let live = LiveSchemas::of(&registry, &tree).await?;
            let (both, new, found) = catalog::compare_with_registry(&tree, &live);
            findings.extend(found);
            format!("{both} versions are registered, {new} would be by `millrace schema publish`")
        };
        super::print(&findings, self.json);
        eprintln!("{files} files, {pairs} pairs of versions, {} findings; {live}", findings.len());
        Ok(super::verdict(&findings))
    }
}
