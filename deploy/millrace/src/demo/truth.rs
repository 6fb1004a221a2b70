//! What must come out, computed straight from the file.
//!
//! This shares nothing with the importer: no type, no rounding, no notion of an event. If both are wrong, they are wrong
//! in different ways.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::Path;

use anyhow::Context;
use flate2::read::GzDecoder;
use serde_json::Value;

/// Sums over runs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Sums {
    pub(crate) runs: i64,
    pub(crate) steps: i64,
    pub(crate) failed_tool_uses: i64,
    pub(crate) resolved: i64,
    pub(crate) prompt_tokens: i64,
    pub(crate) completion_tokens: i64,
    pub(crate) step_cost_nano_usd: i64,
    pub(crate) reported_cost_nano_usd: i64,
}

impl Sums {
    pub(crate) fn add(&mut self, other: &Self) {
        self.runs += other.runs;
        self.steps += other.steps;
        self.failed_tool_uses += other.failed_tool_uses;
        self.resolved += other.resolved;
        self.prompt_tokens += other.prompt_tokens;
        self.completion_tokens += other.completion_tokens;
        self.step_cost_nano_usd += other.step_cost_nano_usd;
        self.reported_cost_nano_usd += other.reported_cost_nano_usd;
    }
}

/// Sums by repository and model, the model without a leading `@`.
pub(crate) type Truth = BTreeMap<(String, String), Sums>;

/// Reads the file, gzip or plain.
pub(crate) fn of_file(path: &Path) -> anyhow::Result<Truth> {
    let file = std::fs::File::open(path).with_context(|| format!("failed to open {}", path.display()))?;
    let reader: Box<dyn BufRead> = if path.extension().is_some_and(|extension| extension == "gz") {
        Box::new(BufReader::new(GzDecoder::new(file)))
    } else {
        Box::new(BufReader::new(file))
    };
    let mut truth = Truth::new();
    for line in reader.lines() {
        let run: Value = serde_json::from_str(&line?)?;
        let model = run["model"].as_str().context("a run without a model")?.trim_start_matches('@');
        let repository = run["repository"].as_str().context("a run without a repository")?;
        truth.entry((repository.to_owned(), model.to_owned())).or_default().add(&of_run(&run)?);
    }
    Ok(truth)
}

fn of_run(run: &Value) -> anyhow::Result<Sums> {
    let steps = run["steps"].as_array().context("a run without steps")?;
    let sum = |field: &str| steps.iter().filter_map(|step| step[field].as_i64()).sum();
    Ok(Sums {
        runs: 1,
        steps: i64::try_from(steps.len())?,
        failed_tool_uses: steps
            .iter()
            .filter(|step| step["exit_code"].as_i64().unwrap_or(0) != 0)
            .count()
            .try_into()?,
        resolved: i64::from(run["resolved"] == Value::Bool(true)),
        prompt_tokens: sum("prompt_tokens"),
        completion_tokens: sum("completion_tokens"),
        step_cost_nano_usd: steps.iter().map(|step| nano_usd(&step["cost_usd"])).sum(),
        reported_cost_nano_usd: nano_usd(&run["cost_usd"]),
    })
}

/// The nearest nano-USD in binary arithmetic, ties to even; nothing where nothing was reported.
fn nano_usd(dollars: &Value) -> i64 {
    (dollars.as_f64().unwrap_or(0.0) * 1e9).round_ties_even() as i64
}
