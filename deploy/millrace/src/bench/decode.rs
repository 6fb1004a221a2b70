//! What a core makes of a topic: payloads into events, ids into schemas; and how long a check of all schemas takes.

use std::hint::black_box;
use std::path::PathBuf;
use std::time::Instant;

use anyhow::Context;
use catalog::{Frozen, Tree};
use events::execution::{ExecutionCompleted, ExecutionJudged, ToolUsed, Verdict};
use events::{ExecutionEvent, Timestamp};
use wire::{Decode, Decoder, Encoder, Registry};

use super::report::{Aim, Figure};
use super::{Output, state};
use crate::stack_defaults::settings;

#[derive(Debug, clap::Args)]
pub(crate) struct DecodeArgs {
    /// Rounds of each measure, of which the median counts
    #[arg(long, default_value_t = 21, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// Runs of 103 events each that are decoded in one round
    #[arg(long, default_value_t = 2_000, value_parser = clap::value_parser!(u32).range(1..))]
    runs: u32,
    /// The folder of schemas to check
    #[arg(long, value_name = "DIR", default_value = "schemas/avro")]
    schemas: PathBuf,
    #[command(flatten)]
    pub(super) output: Output,
}

pub(super) async fn figures(args: &DecodeArgs, stack: &str) -> anyhow::Result<Vec<Figure>> {
    let registry = Registry::new(&settings(stack)?)?;
    let encoder = Encoder::<ExecutionEvent>::prepare(&registry).await?;
    let payloads = run().iter().map(|event| encoder.encode(event)).collect::<Result<Vec<_>, _>>()?;
    let decoder = Decoder::<ExecutionEvent>::new(registry.clone());
    for payload in &payloads {
        decoder.decode_loading(payload).await?; // every schema is in memory from here on
    }
    let events = f64::from(args.runs) * payloads.len() as f64;
    let ids: Vec<u32> = payloads.iter().filter_map(|payload| wire::schema_id(payload)).collect();

    let decode_s = median_s(args.rounds, || {
        for payload in (0..args.runs).flat_map(|_| &payloads) {
            black_box(decoder.decode(black_box(payload))?);
        }
        Ok(())
    })?;
    let lookup_s = median_s(args.rounds, || {
        for id in (0..args.runs).flat_map(|_| &ids) {
            black_box(registry.cached(black_box(*id)).context("a schema left the memory")??);
        }
        Ok(())
    })?;
    let check_s = median_s(args.rounds, || {
        let (tree, frozen) = (Tree::read(&args.schemas)?, Frozen::read(&args.schemas)?);
        let checked = catalog::check(&tree, &frozen);
        anyhow::ensure!(
            checked.findings.is_empty(),
            "the schemas have findings; see `millrace schema check`"
        );
        Ok(())
    })?;
    Ok(vec![
        Figure::new("decode.execution", events / decode_s, "events/s", Aim::AtLeast(1_500_000.0)),
        Figure::new("schema.lookup", lookup_s * 1e9 / events, "ns", Aim::AtMost(50.0)),
        Figure::new("schema.check.offline", check_s * 1e3, "ms", Aim::AtMost(2_000.0)),
    ])
}

/// A run as they are: a start, fifty calls of the model and as many of tools, an end; and the verdict on it.
fn run() -> Vec<ExecutionEvent> {
    let execution_id = events::ExecutionId(uuid::Uuid::now_v7());
    let occurred_at = Timestamp::from_micros(1_795_232_779_124_788);
    let mut run = state::history(execution_id, 51);
    run.extend((1..=50).map(|step| {
        let tool = Some("grep".to_owned());
        ToolUsed { execution_id, occurred_at, step, tool, exit_code: Some(0), output_bytes: 1_234 }.into()
    }));
    run.push(
        ExecutionCompleted {
            execution_id,
            occurred_at,
            exit_status: "Submitted".into(),
            patch_bytes: 1_234,
            api_calls: 50,
            reported_cost: None,
        }
        .into(),
    );
    let judge = "swe-bench-verified".into();
    run.push(ExecutionJudged { execution_id, occurred_at, judge, verdict: Verdict::Resolved }.into());
    run
}

fn median_s(rounds: u32, mut round: impl FnMut() -> anyhow::Result<()>) -> anyhow::Result<f64> {
    let mut seconds = Vec::new();
    for _ in 0..rounds {
        let begun = Instant::now();
        round()?;
        seconds.push(begun.elapsed().as_secs_f64());
    }
    seconds.sort_by(f64::total_cmp);
    Ok(seconds[seconds.len() / 2])
}
