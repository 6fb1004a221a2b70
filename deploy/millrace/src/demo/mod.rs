//! `millrace demo`: the main job on real input; then proved, broken, poisoned, and proved again.

mod api;
mod breakage;
mod live;
mod poison;
mod proof;
mod tables;
mod truth;
mod watch;
mod world;

use std::path::PathBuf;

use anyhow::Context;
use events::TenantId;
use uuid::Uuid;
pub(crate) use world::World;

use crate::chain::{projector, relay};
use crate::exit::Exit;

#[derive(Debug, clap::Args)]
pub(crate) struct DemoArgs {
    /// Take the stack down at the end; its data stay
    #[arg(long)]
    down: bool,

    /// The runs to import
    #[arg(long, default_value = "producers/agents/samples/agent-runs.jsonl.gz", value_name = "FILE")]
    file: PathBuf,

    /// How they become commands
    #[arg(long, default_value = "producers/agents/samples/agent-runs.yaml", value_name = "FILE")]
    mapping: PathBuf,
}

impl DemoArgs {
    pub(crate) async fn run(self, stack: &str) -> anyhow::Result<Exit> {
        let shown = show(stack, self.file, self.mapping).await;
        if self.down {
            crate::up::down(stack, false).await?;
            println!("\nThe stack is down; its data are kept.");
        }
        shown?;
        if !self.down {
            println!(
                "\nThe stack is up. Try:\n  millrace status --name {stack}\n  millrace run projector --name {stack}\n  \
                 millrace verify --name {stack}\n  millrace parked list --name {stack}\n  millrace down --name {stack}"
            );
        }
        Ok(Exit::Ok)
    }
}

async fn show(stack: &str, file: PathBuf, mapping: PathBuf) -> anyhow::Result<()> {
    let truth = truth::of_file(&file)?;

    heading("The stack");
    println!("{}", crate::up::up(&crate::up::named(stack)).await?);
    let world = World::connect(stack, file, mapping).await?;
    let mut projector = projector(stack, &[], &[])?;
    let relay = relay(stack)?;
    // New tenants each time, so that the demo can be run again on the same stack.
    let run = Uuid::now_v7().simple().to_string();
    let [acme, globex, live] =
        ["acme", "globex", "live"].map(|name| format!("{name}-{}", &run[..12]).parse::<TenantId>());
    let (acme, globex, live) = (acme?, globex?, live?);

    heading("1. Import 400 real agent runs, through Debezium and Kafka into both sinks");
    let events = world.import_shown(&acme).await.context("step 1, import")?;
    watch::until_drained(&world.chain, 0).await.context("step 1, drain")?;
    projector.check()?;
    tables::show(&world, &acme).await?;

    heading("2. Live commands, and a look back in time");
    live::run(&world, &live).await.context("step 2, live commands")?;

    heading("3. The same over HTTP: a workflow from planner to coder to critic");
    api::run(&world, &live).await.context("step 3, the command API")?;

    heading("4. Proof");
    watch::until_drained(&world.chain, 0).await?;
    prove(&world, &[&acme], &truth).await.context("step 4, proof")?;

    heading("5. Break it: Connect and the consumer are killed with events in flight");
    let projector = breakage::run(&world, &globex, events, projector).await.context("step 5, breakage")?;
    prove(&world, &[&acme, &globex], &truth).await.context("step 5, proof")?;

    heading("6. Poison it: an undecodable record, and an event that the projection refuses");
    let projector = poison::run(&world, &live, projector).await.context("step 6, poison")?;
    prove(&world, &[&acme, &globex], &truth).await.context("step 6, proof")?;

    projector.stop().await?;
    relay.stop().await?;
    heading("Every check held");
    Ok(())
}

async fn prove(world: &World, tenants: &[&TenantId], truth: &truth::Truth) -> anyhow::Result<()> {
    for tenant in tenants {
        proof::sums_equal(world, tenant, truth).await?;
    }
    proof::stages_agree(world).await.map(drop)
}

fn heading(text: &str) {
    println!("\n== {text}");
}
