//! What a dashboard would show.

use agent_views::COST_BOARD;
use comfy_table::{CellAlignment, Table};
use events::{NanoUsd, TenantId};

use super::World;

const LINES: usize = 6;

/// Totals by repository and model from Postgres, the leaderboard from Redis.
pub(crate) async fn show(world: &World, tenant: &TenantId) -> anyhow::Result<()> {
    let totals = world.totals(tenant).await?;
    let mut table = Table::new();
    table.set_header([
        "repository",
        "model",
        "runs",
        "resolved",
        "steps",
        "failed tools",
        "prompt tokens",
        "reported cost",
        "step cost",
    ]);
    for column in 2..9 {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    for total in totals.iter().take(LINES) {
        let share = if total.judged == 0 { 0.0 } else { total.resolved as f64 / total.judged as f64 * 100.0 };
        table.add_row([
            total.repository.clone(),
            total.model_name.clone(),
            total.runs.to_string(),
            format!("{share:.0} %"),
            total.steps.to_string(),
            total.failed_tool_uses.to_string(),
            total.prompt_tokens.to_string(),
            NanoUsd::new(total.reported_cost_nano_usd).to_string(),
            NanoUsd::new(total.step_cost_nano_usd).to_string(),
        ]);
    }
    println!("{table}");
    if totals.len() > LINES {
        println!("  … and {} more", totals.len() - LINES);
    }

    let mut redis = world.redis()?;
    let mut board = Table::new();
    board.set_header(["rank", "execution", "task", "steps", "cost"]);
    for (rank, place) in (1..).zip(redis.leaderboard(tenant, COST_BOARD, 5).await?) {
        let row = redis.row(tenant, place.aggregate_id).await?;
        let (task, steps) = row.view.map(|live| (live.task, live.step)).unwrap_or_default();
        board.add_row([
            rank.to_string(),
            place.aggregate_id.to_string(),
            task,
            steps.to_string(),
            NanoUsd::new(place.score).to_string(),
        ]);
    }
    println!("{board}");
    println!(
        "  The file has two costs: one a run, one a step. Both are kept; they differ because 424 steps report none (11 runs \
         have none at all).\n  Float noise is gone: each amount is rounded half-even to whole nano-USD. `@google/…` and \
         `google/…` are one model here; the rows keep the source's spelling."
    );
    Ok(())
}
