//! `millrace topics`: topics, users and access as the manifest says.

use std::path::{Path, PathBuf};

use anyhow::Context;
use catalog::{KafkaAdmin, KafkaAdminConfig, Manifest, Passwords, Permits, Plan, PlanFile};
use clap::{Args, Subcommand};

use crate::exit::Exit;
use crate::program::topics;
use crate::stack_defaults;

mod lint;
mod read;
mod show;

/// What to do with topics, users and access (`schemas/topics.yaml`).
#[derive(Debug, Subcommand)]
pub(crate) enum TopicsCommand {
    /// Refuse what would lose events or hold them up, by the files alone; status 1 when there is something
    Lint(lint::LintArgs),
    /// Show what `apply` would change, and change nothing
    Plan(PlanArgs),
    /// Create and adjust topics, create users, grant and revoke access: what the manifest names, and nothing else
    ///
    /// Nothing is deleted, kept for a shorter time, or regrown under its keys without an option that names it. A user
    /// that the cluster lacks gets its password from MILLRACE_KAFKA_<USER>_PASSWORD, or from the file that
    /// MILLRACE_KAFKA_<USER>_PASSWORD_FILE names; <USER> is its name in capitals, everything but letters and digits a _.
    Apply(ApplyArgs),
    /// Print what the cluster has as a manifest
    ///
    /// The manifest plans to nothing. What it cannot say is named in comments. Purposes, owners, keys and reasons
    /// are not on a cluster: they are `unknown`, and a topic counts as keyed until you say otherwise.
    Export(ExportArgs),
    /// Show the last records of a topic, of any domain, one JSON object a line
    Read(read::ReadArgs),
}

#[derive(Debug, Clone, Args)]
pub(crate) struct PlanArgs {
    #[command(flatten)]
    topics: TopicsArgs,

    #[command(flatten)]
    permits: Permits,

    /// Print JSON
    #[arg(long)]
    json: bool,

    /// Also write the plan to this file, for `apply FILE`. No secret is in it
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,

    /// Tell by the exit status: 0 as declared, 10 there is a difference, 1 some of it is refused
    #[arg(long)]
    check: bool,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct ApplyArgs {
    /// A file that `plan --out` wrote: does what it says, and is refused once the cluster or the manifest has moved
    #[arg(value_name = "PLANFILE",
          conflicts_with_all = ["delete_topic", "shrink_retention", "grow_keyed", "rotate_password"])]
    plan_file: Option<PathBuf>,

    #[command(flatten)]
    topics: TopicsArgs,

    #[command(flatten)]
    permits: Permits,

    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct ExportArgs {
    /// Topics whose names begin so, and users whose names do or who have a rule about such a topic or group; everything
    /// but Kafka's own when empty
    #[arg(long, value_name = "PREFIX", default_value = "")]
    prefix: String,

    #[command(flatten)]
    admin: KafkaAdminConfig,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct TopicsArgs {
    #[command(flatten)]
    manifest: ManifestArgs,

    #[command(flatten)]
    admin: KafkaAdminConfig,
}

/// The manifest of topics.
#[derive(Debug, Clone, Args)]
pub(crate) struct ManifestArgs {
    /// Another manifest of topics than the one this program was built with; several are taken together
    #[arg(long, value_name = "FILE")]
    manifest: Vec<PathBuf>,
}

impl ManifestArgs {
    pub(crate) fn load(&self) -> anyhow::Result<Manifest> {
        let mut given = self.manifest.iter();
        let Some(first) = given.next() else { return topics() };
        given.try_fold(Manifest::load(first)?, |all, path| Ok(all.with(Manifest::load(path)?)?))
    }
}

impl TopicsCommand {
    pub(crate) async fn run(self, stack: &str) -> anyhow::Result<Exit> {
        match self {
            Self::Lint(args) => args.run(),
            Self::Plan(args) => args.run().await,
            Self::Apply(args) => args.run(stack).await,
            Self::Export(args) => args.run().await,
            Self::Read(args) => args.run().await,
        }
    }
}

impl PlanArgs {
    async fn run(self) -> anyhow::Result<Exit> {
        let manifest = self.topics.manifest.load()?;
        let cluster = KafkaAdmin::new(&self.topics.admin)?.observe(&manifest).await?;
        let plan = catalog::plan(&manifest, &cluster, &self.permits);
        show::plan(&plan, self.json, "do");
        if !plan.refusals.is_empty() {
            return Ok(Exit::Failed); // and no file: there is nothing in it that could be done
        }
        if let Some(path) = &self.out {
            let file = PlanFile::new(&manifest, &cluster, &self.permits);
            std::fs::write(path, file.to_json()).with_context(|| failed_to("write", path))?;
        }
        Ok(if self.check && !plan.is_empty() { Exit::Difference } else { Exit::Ok })
    }
}

impl ApplyArgs {
    async fn run(self, stack: &str) -> anyhow::Result<Exit> {
        let done = match &self.plan_file {
            None => apply(&self.topics, &self.permits, stack).await?,
            Some(path) => {
                let text = std::fs::read_to_string(path).with_context(|| failed_to("read", path))?;
                let (file, manifest) = (PlanFile::parse(&text)?, self.topics.manifest.load()?);
                KafkaAdmin::new(&self.topics.admin)?.apply_file(&manifest, &file, &passwords(stack)).await?
            }
        };
        show::plan(&done, self.json, "done");
        Ok(Exit::Ok)
    }
}

impl ExportArgs {
    async fn run(self) -> anyhow::Result<Exit> {
        let cluster = KafkaAdmin::new(&self.admin)?.observe_prefix(&self.prefix).await?;
        print!("{}", catalog::export(&cluster, &self.prefix).to_yaml());
        Ok(Exit::Ok)
    }
}

/// Makes it so, and says what was done.
pub(crate) async fn apply(args: &TopicsArgs, permits: &Permits, stack: &str) -> anyhow::Result<Plan> {
    let manifest = args.manifest.load()?;
    Ok(KafkaAdmin::new(&args.admin)?.apply(&manifest, permits, &passwords(stack)).await?)
}

/// The environment's, and where it has none the stack's: one pair of variables per user, so no argument can name them.
fn passwords(stack: &str) -> Passwords {
    let environment = std::env::vars_os();
    let text = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
        Some((name.into_string().ok()?, value.into_string().ok()?))
    };
    Passwords::among(stack_defaults::facts(stack).into_iter().chain(environment.filter_map(text)))
}

fn failed_to(verb: &str, path: &Path) -> String {
    format!("failed to {verb} the plan file {}", path.display())
}
