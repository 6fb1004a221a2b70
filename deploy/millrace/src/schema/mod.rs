//! `millrace schema`: the schema files, what they promise, and the registry as this program's events need it.

mod check;
mod documents;
mod publish;

use std::path::PathBuf;

use catalog::{Finding, Rule, Tree};
use clap::{Args, Subcommand};
use comfy_table::Table;

use crate::exit::Exit;
use check::CheckArgs;
use documents::DocumentArgs;
pub(crate) use publish::publish;

/// What to do with the schemas.
#[derive(Debug, Subcommand)]
pub(crate) enum SchemaCommand {
    /// Look at every schema file by rules (`millrace schema rules`); status 1 when one is broken
    Lint(LintArgs),
    /// Print the rules that `lint` and `check` hold, each with its reason
    Rules,
    /// Compare every version with every other, released files with their digests, and all with the registry; status 1 when
    /// something that was promised is broken
    Check(CheckArgs),
    /// Note the digests of files that are new: from then on they stay as they are
    Freeze(FolderArgs),
    /// Register every version of every event's schema; every version must read every other
    Publish(publish::PublishArgs),
    /// Print topics and events as an AsyncAPI 3.0 document
    Asyncapi(DocumentArgs),
    /// Print topics and events as Markdown
    Catalogue(DocumentArgs),
}

/// Where the schema files are.
#[derive(Debug, Clone, Args)]
pub(crate) struct FolderArgs {
    /// The folder of schemas, which lie at DIR/<topic>/<Record>/<version>.avsc
    #[arg(long, value_name = "DIR", default_value = "schemas/avro")]
    from: PathBuf,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct LintArgs {
    #[command(flatten)]
    folder: FolderArgs,
    /// Print findings as JSON, one object a line
    #[arg(long)]
    json: bool,
}

impl FolderArgs {
    pub(crate) fn tree(&self) -> anyhow::Result<Tree> {
        Ok(Tree::read(&self.from)?)
    }
}

impl SchemaCommand {
    pub(crate) async fn run(self) -> anyhow::Result<Exit> {
        match self {
            Self::Lint(args) => {
                let tree = args.folder.tree()?;
                let found = catalog::lint(&tree);
                print(&found, args.json);
                let files: usize = tree.records().map(|(.., record)| record.0.len()).sum();
                eprintln!("{files} files, {} rules, {} findings", Rule::ALL.len(), found.len());
                Ok(verdict(&found))
            }
            Self::Rules => {
                let mut table = Table::new();
                table.set_header(["rule", "why"]);
                table.add_rows(Rule::ALL.iter().map(|rule| [rule.name(), rule.why()]));
                println!("{table}");
                Ok(Exit::Ok)
            }
            Self::Check(args) => args.run().await,
            Self::Freeze(folder) => {
                folder.tree()?;
                let added = catalog::freeze(&folder.from)?;
                added.iter().for_each(|path| println!("{path}"));
                eprintln!("{} files frozen now", added.len());
                Ok(Exit::Ok)
            }
            Self::Publish(args) => args.run().await,
            Self::Asyncapi(args) => args.asyncapi(),
            Self::Catalogue(args) => args.catalogue(),
        }
    }
}

fn print(found: &[Finding], json: bool) {
    for finding in found {
        if json {
            println!("{}", serde_json::json!(finding));
        } else {
            println!("{finding}");
        }
    }
}

fn verdict(found: &[Finding]) -> Exit {
    if found.is_empty() { Exit::Ok } else { Exit::Failed }
}
