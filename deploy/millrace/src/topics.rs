//! `millrace topics`: topics and access as the manifest says.

use std::path::PathBuf;

use catalog::{KafkaAdmin, KafkaAdminConfig, Manifest, Plan};
use clap::{Args, Subcommand};
use kafka::Record;
use serde_json::{Value, json};

use crate::chain::TopicsReadArgs;
use crate::exit::Exit;

/// What to do with topics and access (`schemas/topics.yaml`).
#[derive(Debug, Subcommand)]
pub(crate) enum TopicsCommand {
    /// Show what `apply` would change; status 10 when that is something
    Plan(TopicsArgs),
    /// Create topics, adjust their settings, grant access; nothing is ever deleted
    Apply(TopicsArgs),
    /// Show the last records of a topic, of any domain, one JSON object a line
    Read(ReadArgs),
}

#[derive(Debug, Clone, Args)]
pub(crate) struct ReadArgs {
    /// The topic
    topic: String,
    /// How many records at most, the newest
    #[arg(long, default_value_t = 10, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    last: u16,
    #[command(flatten)]
    topics: TopicsReadArgs,
    #[command(flatten)]
    registry: wire::RegistryConfig,
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

impl ReadArgs {
    async fn run(self) -> anyhow::Result<Exit> {
        let (reader, last) = (self.topics.reader()?, usize::from(self.last));
        let records = tokio::task::spawn_blocking(move || {
            let mut records = Vec::new();
            reader.read(&self.topic, |record| {
                records.push(record);
                if records.len() > 2 * last + 1_000 {
                    newest(&mut records, last);
                }
            })?;
            newest(&mut records, last);
            anyhow::Ok(records)
        });
        let registry = wire::Registry::new(&self.registry)?;
        for record in records.await?? {
            println!("{}", shown(&record, &registry).await);
        }
        Ok(Exit::Ok)
    }
}

/// Keeps so many of the newest, oldest first.
fn newest(records: &mut Vec<Record>, count: usize) {
    records.sort_by_key(|record| (record.timestamp_ms, record.partition, record.offset));
    records.drain(..records.len().saturating_sub(count));
}

/// A record for people; what cannot be read says why.
async fn shown(record: &Record, registry: &wire::Registry) -> Value {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let value = match &record.payload {
        None => Value::Null,
        Some(payload) => wire::to_json(registry, payload)
            .await
            .unwrap_or_else(|error| json!({ "unreadable": error.to_string(), "bytes": payload.len() })),
    };
    let headers =
        record.headers.iter().map(|(name, value)| (name.clone(), json!(value.as_deref().map(text))));
    json!({
        "partition": record.partition, "offset": record.offset, "key": record.key.as_deref().map(text),
        "headers": Value::Object(headers.collect()), "value": value,
    })
}

impl TopicsCommand {
    pub(crate) async fn run(self) -> anyhow::Result<Exit> {
        let plan = match &self {
            Self::Read(args) => return args.clone().run().await,
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
