//! The contract as documents.

use clap::Args;

use super::FolderArgs;
use crate::exit::Exit;
use crate::topics::ManifestArgs;

#[derive(Debug, Clone, Args)]
pub(crate) struct DocumentArgs {
    #[command(flatten)]
    folder: FolderArgs,

    #[command(flatten)]
    manifest: ManifestArgs,
}

impl DocumentArgs {
    pub(super) fn asyncapi(&self) -> anyhow::Result<Exit> {
        println!("{:#}", catalog::asyncapi(&self.folder.tree()?, &self.manifest.load()?)?);
        Ok(Exit::Ok)
    }

    pub(super) fn catalogue(&self) -> anyhow::Result<Exit> {
        print!("{}", catalog::catalogue(&self.folder.tree()?, &self.manifest.load()?)?);
        Ok(Exit::Ok)
    }
}
