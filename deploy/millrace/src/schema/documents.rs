//! The contract as documents.

use std::path::PathBuf;

use catalog::Manifest;
use clap::Args;

use super::FolderArgs;
use crate::exit::Exit;

#[derive(Debug, Clone, Args)]
pub(crate) struct DocumentArgs {
    #[command(flatten)]
    folder: FolderArgs,

    /// Another manifest of topics than the one this program was built with
    #[arg(long, value_name = "FILE")]
    manifest: Option<PathBuf>,
}

impl DocumentArgs {
    fn manifest(&self) -> anyhow::Result<Manifest> {
        Ok(match &self.manifest {
            Some(path) => Manifest::load(path)?,
            None => Manifest::committed(),
        })
    }

    pub(super) fn asyncapi(&self) -> anyhow::Result<Exit> {
        println!("{:#}", catalog::asyncapi(&self.folder.tree()?, &self.manifest()?)?);
        Ok(Exit::Ok)
    }

    pub(super) fn catalogue(&self) -> anyhow::Result<Exit> {
        print!("{}", catalog::catalogue(&self.folder.tree()?, &self.manifest()?)?);
        Ok(Exit::Ok)
    }
}
