//! `millrace topics lint`: the manifest and the folder of schemas, without a cluster.

use std::path::PathBuf;

use anyhow::Context;
use catalog::Manifest;
use clap::Args;

use crate::exit::Exit;
use crate::schema::FolderArgs;

#[derive(Debug, Args)]
pub(crate) struct LintArgs {
    /// The manifest
    #[arg(value_name = "FILE", default_value = "schemas/topics.yaml")]
    manifest: PathBuf,

    #[command(flatten)]
    schemas: FolderArgs,

    /// Print findings as JSON, one object a line
    #[arg(long)]
    json: bool,
}

impl LintArgs {
    pub(super) fn run(&self) -> anyhow::Result<Exit> {
        let file = self.manifest.display();
        let text =
            std::fs::read_to_string(&self.manifest).with_context(|| format!("failed to read {file}"))?;
        let manifest = Manifest::parse(&text, &file.to_string())?;
        let event_topics = self.schemas.tree()?.topics.into_keys().collect();
        let findings = manifest.lint(&text, &event_topics);
        for finding in &findings {
            if self.json {
                println!("{}", serde_json::to_string(finding)?);
            } else {
                println!("{file}, {finding}");
            }
        }
        if !self.json {
            eprintln!("{} findings in {} topics", findings.len(), manifest.topics.len());
        }
        Ok(if findings.is_empty() { Exit::Ok } else { Exit::Failed })
    }
}
