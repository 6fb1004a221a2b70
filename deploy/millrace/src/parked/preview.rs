//! `millrace parked preview`: what a redrive would do.

use anyhow::Context;
use clap::Args;
use comfy_table::Table;
use dead_letters::{DeadLetters, EventShown, Operator};
use kafka::ParkedRecord;
use projection_redis::RedisConfig;
use serde::Serialize;
use serde_json::Value;
use sqlx::PgConnection;

use super::{KeyArgs, ViewsArgs, known};
use crate::exit::Exit;
use crate::program::projections;
use crate::projections::{Fate, Looking, Previewed, Seen};

/// Where views are looked at, and what events are read with.
#[derive(Debug, Args)]
pub(crate) struct LookArgs {
    #[command(flatten)]
    pub(crate) views: ViewsArgs,
    #[command(flatten)]
    redis: RedisConfig,
    #[command(flatten)]
    registry: wire::RegistryConfig,
}

#[derive(Debug, Args)]
pub(crate) struct PreviewArgs {
    #[command(flatten)]
    key: KeyArgs,
    /// At most so many records; the view as it would be is the one after these
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(i64).range(1..))]
    limit: i64,
    /// Print JSON, one object for each partition that has records of the key
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    look: LookArgs,
}

/// What a redrive would do to the records of a key in one partition.
#[derive(Debug, Serialize)]
pub(crate) struct InPartition {
    topic: String,
    partition: i32,
    #[serde(flatten)]
    pub(super) previewed: Previewed,
}

impl PreviewArgs {
    pub(super) async fn run(self) -> anyhow::Result<Exit> {
        let KeyArgs { projection, key } = &self.key;
        let mut connection = self.look.views.connect().await?;
        let mut operator = Operator::new(&mut connection);
        known(&mut operator, projection).await?;
        let records = operator.show(projection, key, self.limit).await?;
        let registry = self.look.registry()?;
        let previews = self.look.preview(&mut connection, &registry, projection, &records).await?;
        for preview in &previews {
            if self.json {
                println!("{}", serde_json::to_string(preview)?);
            } else {
                preview.print();
            }
        }
        let drains = previews.iter().all(|preview| preview.previewed.stops().is_none());
        Ok(if drains { Exit::Ok } else { Exit::Difference })
    }
}

impl LookArgs {
    pub(crate) fn registry(&self) -> anyhow::Result<wire::Registry> {
        Ok(wire::Registry::new(&self.registry)?)
    }

    /// What a redrive would do to these records of one key, which come partition by partition.
    pub(crate) async fn preview(
        &self,
        views: &mut PgConnection,
        registry: &wire::Registry,
        projection: &str,
        records: &[EventShown],
    ) -> anyhow::Result<Vec<InPartition>> {
        let registered = projections()
            .iter()
            .find(|it| it.name() == projection)
            .with_context(|| format!("this program has no projection {projection:?}"))?;
        let mut previews = Vec::new();
        for records in records.chunk_by(|a, b| (&a.topic, a.partition) == (&b.topic, b.partition)) {
            let (topic, partition) = (records[0].topic.clone(), records[0].partition);
            let letters = DeadLetters::new(projection, topic.as_str());
            let decided = letters.decided(views, &[partition]).await?;
            let parked: Vec<ParkedRecord> = records.iter().map(EventShown::parked).collect();
            let looking = Looking { views, redis: &self.redis, registry: registry.clone() };
            let previewed = registered.preview(looking, partition, &decided, &parked).await?;
            previews.push(InPartition { topic, partition, previewed });
        }
        Ok(previews)
    }
}

impl InPartition {
    /// Whether a record lies there.
    pub(super) fn has(&self, record: &EventShown) -> bool {
        (&self.topic, self.partition) == (&record.topic, record.partition)
    }

    pub(super) fn print(&self) {
        let Self { topic, partition, previewed: Previewed { records, rows } } = self;
        println!("a redrive of what is parked in {topic}/{partition} would come to this:");
        for Fate { offset, outcome, reason, message } in records {
            match (reason, message) {
                (Some(reason), Some(message)) => println!("  {offset}  {outcome}, {reason}: {message}"),
                _ => println!("  {offset}  {outcome}"),
            }
        }
        for row in rows {
            println!("{} of tenant {}", row.aggregate_id, row.tenant);
            println!("{}", compared(&row.now, &row.then));
        }
    }
}

/// A row before and after, field by field.
fn compared(now: &Seen, then: &Seen) -> Table {
    let mut table = Table::new();
    table.set_header(["", "now", "after a redrive"]);
    table.add_row(["version".to_owned(), now.version.to_string(), then.version.to_string()]);
    let fields = |seen: &Seen| seen.view.as_ref().and_then(Value::as_object).cloned().unwrap_or_default();
    let (now, then) = (fields(now), fields(then));
    let mut names: Vec<&String> = now.keys().chain(then.keys()).collect();
    names.sort();
    names.dedup();
    let text = |value: Option<&Value>| match value {
        None => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(value) => value.to_string(),
    };
    for name in names {
        table.add_row([name.clone(), text(now.get(name)), text(then.get(name))]);
    }
    table
}
