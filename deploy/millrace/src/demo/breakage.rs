//! Kill what moves the events while they move.

use std::time::Duration;

use anyhow::{Context, bail};
use events::TenantId;
use import::Progress;
use local::Component;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::{World, watch};
use crate::chain::projector;
use crate::role::Role;

/// Imports the runs, which lead to `total` events, for another tenant and kills, each with -9 and at least a third of the events in flight: Connect, while
/// the import appends; the consumer, while it catches up.
pub(crate) async fn run(
    world: &World,
    tenant: &TenantId,
    total: u64,
    consumer: Role,
) -> anyhow::Result<Role> {
    // The consumer goes first, so that what is appended piles up behind it.
    consumer.kill().await?;

    let progress = Progress::default();
    let import = world.import(tenant, &progress);
    let kill_connect = async {
        in_flight(world, total).await?;
        let pid = kill_connect(&world.stack).await?;
        println!(
            "  killed Connect (pid {pid}) with {} events in flight",
            world.chain.standing().await?.in_flight()
        );
        Ok(())
    };
    let both = async { tokio::try_join!(import, kill_connect).map(|(imported, ())| imported) };
    let imported = watch::while_running(&world.chain, both).await?;
    println!("  {} runs imported for tenant {tenant}: {} events", imported.rows, imported.events_appended);

    crate::up::up(&crate::up::named(&world.stack)).await.context("failed to raise Connect again")?;
    let consumer = projector(&world.stack, &[], &[])?;
    let consumer = kill_half_way(world, consumer, total).await?;
    watch::until_drained(&world.chain, 0).await?;
    Ok(consumer)
}

/// Waits until at least a third of `events` are stored and not applied.
async fn in_flight(world: &World, events: u64) -> anyhow::Result<()> {
    while world.chain.standing().await?.in_flight() * 3 < events {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Ok(())
}

async fn kill_connect(stack: &str) -> anyhow::Result<i32> {
    let status =
        local::status(&local::StatusArgs { stack: local::StackArgs { name: stack.to_owned() }, json: false })
            .await?;
    let connect = status.components.iter().find(|component| component.component == Component::Connect);
    let pid = connect.and_then(|connect| connect.pid).context("Connect has no process")?;
    kill(Pid::from_raw(pid), Signal::SIGKILL)?;
    Ok(pid)
}

/// Kills the consumer once it has begun to apply the backlog, and starts another.
async fn kill_half_way(world: &World, mut consumer: Role, total: u64) -> anyhow::Result<Role> {
    let begun = world.chain.standing().await?.applied;
    loop {
        consumer.check()?;
        let standing = world.chain.standing().await?;
        if standing.applied.iter().zip(begun).all(|(now, then)| *now > then) {
            consumer.kill().await?;
            let left = world.chain.standing().await?.in_flight();
            println!("  killed the consumer with {left} of {total} events in flight");
            if left * 3 < total {
                bail!(
                    "only {left} of {total} events were in flight, which is less than a third: this broke too little"
                );
            }
            return projector(&world.stack, &[], &[]);
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
