//! `millrace connect lint`: files alone, without a stack.

use std::path::{Path, PathBuf};

use clap::Args;
use connect::{Connector, Finding, lint, lint_together};

use crate::exit::Exit;

#[derive(Debug, Args)]
pub(crate) struct LintArgs {
    /// A connector's file, or a folder of them, which are then judged together as well; where none is given, the outbox's
    /// as this program knows it
    #[arg(value_name = "FILE|DIR")]
    path: Option<PathBuf>,

    /// Print the findings as JSON, one a line
    #[arg(long)]
    json: bool,
}

impl LintArgs {
    pub(super) async fn run(&self) -> anyhow::Result<Exit> {
        // Where the secrets lie does not matter to how they are referred to.
        let secrets = Path::new("{secrets}");
        let connectors = match &self.path {
            Some(path) => Connector::read_all(path, secrets).await?,
            None => vec![Connector::outbox(secrets)],
        };
        let mut findings: Vec<Finding> = connectors.iter().flat_map(lint).collect();
        findings.extend(lint_together(&connectors));
        print(&findings, self.json)?;
        if !self.json {
            eprintln!("{} findings in {} connectors", findings.len(), connectors.len());
        }
        Ok(if findings.is_empty() { Exit::Ok } else { Exit::Failed })
    }
}

fn print(findings: &[Finding], json: bool) -> anyhow::Result<()> {
    for finding in findings {
        if json {
            println!("{}", serde_json::to_string(finding)?);
        } else {
            println!("{finding}");
        }
    }
    Ok(())
}
