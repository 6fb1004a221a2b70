//! `millrace topics`: topics and access as the manifest says.

use std::path::PathBuf;

use catalog::{KafkaAdmin, KafkaAdminConfig, Manifest, Plan};
use clap::{Args, Subcommand};

use crate::exit::Exit;

/// What to do with topics and access (`schemas/topics.yaml`).
#[derive(Debug, Subcommand)]
pub(crate) enum TopicsCommand {
    /// Show what `apply` would change; status 10 when that is something
    Plan(TopicsArgs),
    /// Create topics, adjust their settings, grant access; nothing is ever deleted
    Apply(TopicsArgs),
}

#[derive(Debug, Clone, Args)]
pub(crate) struct TopicsArgs {
    /// Another manifest than the one this program was built with
    #[arg(long, value_name = "FILE")]
    manifest: Option<PathBuf>,

    #[command(flatten)]
    admin: KafkaAdminConfig,
}

impl TopicsArgs {
    fn manifest(&self) -> anyhow::Result<Manifest> {
        Ok(match &self.manifest {
            Some(path) => Manifest::load(path)?,
            None => Manifest::committed(),
        })
    }
}

impl TopicsCommand {
    pub(crate) async fn run(self) -> anyhow::Result<Exit> {
        let plan = match &self {
            Self::Plan(args) => {
                let admin = KafkaAdmin::new(&args.admin)?;
                catalog::plan(&args.manifest()?, &admin.observe(&args.manifest()?).await?)
            }
            Self::Apply(args) => apply(args).await?,
        };
        print(&plan);
        Ok(match self {
            Self::Plan(_) if !plan.is_empty() => Exit::Difference,
            _ if !plan.refusals.is_empty() => Exit::PartlyFailed,
            _ => Exit::Ok,
        })
    }
}

/// Makes it so, and says what was done.
pub(crate) async fn apply(args: &TopicsArgs) -> anyhow::Result<Plan> {
    Ok(KafkaAdmin::new(&args.admin)?.apply(&args.manifest()?).await?)
}

fn print(plan: &Plan) {
    for step in &plan.steps {
        println!("{step}");
    }
    for refusal in &plan.refusals {
        println!("refused: {refusal}");
    }
    println!(
        "{} changes, {} refused, {} as they should be",
        plan.steps.len(),
        plan.refusals.len(),
        plan.unchanged
    );
}
