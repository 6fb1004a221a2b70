//! The proof: the file's own sums, and the comparison of all stages.

use agent_views::{ExecutionLive, Verdict};
use anyhow::bail;
use events::TenantId;
use ledger::Report;

use super::World;
use super::truth::{Sums, Truth};

/// Sums at both sinks equal those of the file.
pub(crate) async fn sums_equal(world: &World, tenant: &TenantId, truth: &Truth) -> anyhow::Result<()> {
    let postgres = in_postgres(world, tenant).await?;
    differ("Postgres", truth, &postgres, |sums| sums.clone())?;
    let redis = in_redis(world, tenant).await?;
    // The live state does not count failed tools.
    differ("Redis", truth, &redis, |sums| Sums { failed_tool_uses: 0, ..sums.clone() })?;
    let mut all = Sums::default();
    truth.values().for_each(|sums| all.add(sums));
    println!(
        "  counts and sums in Postgres and Redis equal the file's: {} runs, {} steps, {} resolved, {} prompt tokens, \
         {:.9} USD reported, {:.9} USD by step",
        all.runs,
        all.steps,
        all.resolved,
        all.prompt_tokens,
        all.reported_cost_nano_usd as f64 / 1e9,
        all.step_cost_nano_usd as f64 / 1e9,
    );
    Ok(())
}

/// Every stage agrees with the store.
pub(crate) async fn stages_agree(world: &World) -> anyhow::Result<Report> {
    let report = crate::verify::report(&world.stack).await?;
    if !report.is_proved() {
        print!("{report}");
        match report.first() {
            Some(first) => bail!("the stages differ; the first difference: {first}"),
            None => bail!("there was nothing to compare"),
        }
    }
    let counts = &report.counts;
    println!(
        "  store = topic by id and bytes ({} events, {} duplicates in the topic), both sinks = the fold of their events by \
         version and digest ({} aggregates)",
        counts.store.events, counts.topic.duplicates, counts.store.aggregates
    );
    for explained in &report.explained {
        println!("  explained: {explained}");
    }
    Ok(report)
}

fn differ(
    sink: &str,
    truth: &Truth,
    found: &Truth,
    comparable: impl Fn(&Sums) -> Sums,
) -> anyhow::Result<()> {
    for (group, sums) in truth {
        let expected = comparable(sums);
        match found.get(group) {
            None => bail!("{sink} has no total of {} with {}", group.0, group.1),
            Some(sums) if *sums != expected => {
                bail!("{sink}: {} with {} sums to {sums:?}, the file to {expected:?}", group.0, group.1)
            }
            Some(_) => {}
        }
    }
    match found.keys().find(|group| !truth.contains_key(*group)) {
        Some(group) => bail!("{sink} has a total of {} with {}, the file has not", group.0, group.1),
        None => Ok(()),
    }
}

async fn in_postgres(world: &World, tenant: &TenantId) -> anyhow::Result<Truth> {
    let totals = world.totals(tenant).await?;
    let sums = totals.into_iter().map(|total| {
        let sums = Sums {
            runs: total.runs,
            steps: total.steps,
            failed_tool_uses: total.failed_tool_uses,
            resolved: total.resolved,
            prompt_tokens: total.prompt_tokens,
            completion_tokens: total.completion_tokens,
            step_cost_nano_usd: total.step_cost_nano_usd,
            reported_cost_nano_usd: total.reported_cost_nano_usd,
        };
        ((total.repository, total.model_name), sums)
    });
    Ok(sums.collect())
}

async fn in_redis(world: &World, tenant: &TenantId) -> anyhow::Result<Truth> {
    let mut truth = Truth::new();
    world
        .redis()?
        .rows(|view| {
            if let (true, Some(live)) = (view.tenant == *tenant, view.row.view) {
                let group = (live.repository.clone(), live.model_name.clone());
                truth.entry(group).or_default().add(&of_execution(&live));
            }
        })
        .await?;
    Ok(truth)
}

fn of_execution(live: &ExecutionLive) -> Sums {
    Sums {
        runs: 1,
        steps: live.step,
        failed_tool_uses: 0,
        resolved: i64::from(live.verdict == Some(Verdict::Resolved)),
        prompt_tokens: live.prompt_tokens,
        completion_tokens: live.completion_tokens,
        step_cost_nano_usd: live.cost_nano_usd.unwrap_or(0),
        reported_cost_nano_usd: live.reported_cost_nano_usd.unwrap_or(0),
    }
}
