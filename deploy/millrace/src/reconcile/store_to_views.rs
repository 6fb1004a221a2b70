//! What a view lost though its topic has it: found, named, published again, for the view to take it.

use anyhow::Context;
use clap::Args;
use events::{EventId, TenantId};
use ledger::Lost;
use serde::Serialize;
use sqlx::{FromRow, PgPool};
use uuid::Uuid;

use super::RepairArgs;
use super::store_to_topic::{let_by, publish_again};
use crate::chain::ChainArgs;
use crate::exit::Exit;
use crate::verify::{BoundArgs, Comparer};

#[derive(Debug, Args)]
pub(crate) struct StoreToViewsArgs {
    #[command(flatten)]
    repair: RepairArgs,

    #[command(flatten)]
    bound: BoundArgs,

    #[command(flatten)]
    chain: ChainArgs,
}

/// An event that a view lost.
#[derive(Debug, FromRow, Serialize)]
struct LostEvent {
    #[serde(skip)]
    position: i64,
    tenant_id: String,
    aggregate_id: Uuid,
    version: i64,
    event_id: Uuid,
}

impl StoreToViewsArgs {
    pub(super) async fn run(&self) -> anyhow::Result<Exit> {
        let Self { repair, bound, chain } = self;
        let lost = Comparer::connect(chain, bound.duration()).await?.lost().await?;
        let store = chain.store.connect().await?;
        let (mut lost, let_by) = (events(&store, &lost).await?, let_by(&store).await?);
        lost.retain(|event| !let_by.contains(&EventId(event.event_id)));
        for event in &lost {
            let LostEvent { position, tenant_id, aggregate_id, version, event_id } = event;
            if repair.json {
                println!("{}", serde_json::to_string(event)?);
            } else {
                println!(
                    "lost: tenant {tenant_id}, aggregate {aggregate_id}, version {version}, event {event_id}, position {position}"
                );
            }
        }
        if repair.dry_run || lost.is_empty() {
            return Ok(if lost.is_empty() { Exit::Ok } else { Exit::Difference });
        }
        let tenants =
            lost.iter().map(|event| event.tenant_id.parse()).collect::<Result<Vec<TenantId>, _>>()?;
        let again = tenants.iter().zip(lost.iter().map(|event| EventId(event.event_id)));
        let published = publish_again(&mut repair.owner().await?, &repair.deed(), again).await?;
        if !repair.json {
            println!("{published} events are published again");
        }
        Ok(Exit::Ok)
    }
}

/// The events that more than one view may have lost, each once.
async fn events(store: &PgPool, lost: &[Lost]) -> anyhow::Result<Vec<LostEvent>> {
    sqlx::query_as(include_str!("../../queries/ledger_lost.sql"))
        .bind(lost.iter().map(|it| it.aggregate_id.0).collect::<Vec<_>>())
        .bind(lost.iter().map(|it| it.above.cast_signed()).collect::<Vec<_>>())
        .bind(lost.iter().map(|it| it.through.cast_signed()).collect::<Vec<_>>())
        .fetch_all(store)
        .await
        .context("failed to read what was lost")
}
