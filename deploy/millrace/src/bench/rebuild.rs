//! How fast views are made once more from the events of the store.

use super::Output;
use super::backlog::pile_up;
use super::report::{Aim, Figure};
use crate::connector::{ConnectArgs, let_go};
use crate::program::projections;
use crate::projections::{EditionsArgs, RebuildArgs};
use crate::stack_defaults::settings;

#[derive(Debug, clap::Args)]
pub(crate) struct RebuildBenchArgs {
    /// Events to store before, beside those that are there
    #[arg(long, default_value_t = 300_000)]
    events: u64,
    #[command(flatten)]
    pub(super) output: Output,
}

pub(super) async fn figures(args: &RebuildBenchArgs, stack: &str) -> anyhow::Result<Vec<Figure>> {
    // Nothing else is to use the machine meanwhile.
    let connect: ConnectArgs = settings(stack)?;
    let (client, outbox) = (connect.client()?, connect.connector().await?);
    client.stop(&outbox.name).await?;
    let_go(&mut connect.cdc().await?, &client, &outbox).await?;
    pile_up(stack, args.events).await?;

    let mut figures = vec![];
    for projection in projections() {
        let name = projection.name();
        let editions: EditionsArgs = settings(stack)?;
        projection.abandon(&editions).await?;
        let mut rebuild: RebuildArgs = settings(stack)?;
        rebuild.no_switch = true;
        let made = projection.rebuild(&rebuild).await?;
        projection.abandon(&editions).await?;
        let aim = if projection.definition().is_some() { 150_000.0 } else { 120_000.0 };
        figures.extend([
            Figure::new(format!("rebuild.{name}.rate"), made.rate(), "events/s", Aim::AtLeast(aim)),
            Figure::new(format!("rebuild.{name}.events"), made.events as f64, "count", Aim::None),
            Figure::new(format!("rebuild.{name}.rows"), made.rows as f64, "count", Aim::None),
        ]);
    }
    client.resume(&outbox.name).await?;
    Ok(figures)
}
