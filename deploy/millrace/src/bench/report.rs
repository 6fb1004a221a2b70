//! What a benchmark prints and writes.

use std::path::Path;

use anyhow::Context;
use comfy_table::Table;
use hdrhistogram::Histogram;
use serde::Serialize;

use super::calibration::Calibration;

/// Figures of one run, and what the machine could do at that time.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    pub(crate) calibration: Calibration,
    pub(crate) figures: Vec<Figure>,
}

/// One measured figure. Names stay as they are, so that runs can be compared.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Figure {
    pub(crate) name: String,
    pub(crate) value: f64,
    pub(crate) unit: &'static str,
    /// What we want: `<= 6` or `>= 35000`; absent where nothing was promised.
    pub(crate) aim: Option<String>,
    /// Whether it is so.
    pub(crate) met: Option<bool>,
}

/// What a figure is to be held against.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Aim {
    AtMost(f64),
    AtLeast(f64),
    None,
}

impl Figure {
    pub(crate) fn new(name: impl Into<String>, value: f64, unit: &'static str, aim: Aim) -> Self {
        let (aim, met) = match aim {
            Aim::AtMost(most) => (Some(format!("<= {most}")), Some(value <= most)),
            Aim::AtLeast(least) => (Some(format!(">= {least}")), Some(value >= least)),
            Aim::None => (None, None),
        };
        Self { name: name.into(), value, unit, aim, met }
    }
}

/// p50, p95, p99 and the maximum of a histogram of microseconds, in milliseconds.
pub(crate) fn percentiles_ms(name: &str, micros: &Histogram<u64>, aims: [Aim; 3]) -> Vec<Figure> {
    let at = |quantile: f64| micros.value_at_quantile(quantile) as f64 / 1_000.0;
    let mut figures: Vec<_> = [("p50", 0.50), ("p95", 0.95), ("p99", 0.99)]
        .into_iter()
        .zip(aims)
        .map(|((label, quantile), aim)| Figure::new(format!("{name}.{label}"), at(quantile), "ms", aim))
        .collect();
    figures.push(Figure::new(format!("{name}.max"), micros.max() as f64 / 1_000.0, "ms", Aim::None));
    figures.push(Figure::new(format!("{name}.samples"), micros.len() as f64, "count", Aim::None));
    figures
}

/// A histogram from a microsecond to a minute, three digits exact.
pub(crate) fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, 60_000_000, 3).expect("the bounds are constants that fit")
}

impl Report {
    /// Prints the figures as a table, and writes them as JSON where asked.
    pub(crate) fn publish(&self, json: Option<&Path>) -> anyhow::Result<()> {
        let mut table = Table::new();
        table.set_header(["figure", "value", "unit", "aim", "met"]);
        for figure in &self.figures {
            let met = figure.met.map_or("", |met| if met { "yes" } else { "no" });
            table.add_row([
                figure.name.clone(),
                format!("{:.2}", figure.value),
                figure.unit.to_owned(),
                figure.aim.clone().unwrap_or_default(),
                met.to_owned(),
            ]);
        }
        println!("{table}\ncalibration: {}", self.calibration);
        if let Some(path) = json {
            let text = serde_json::to_string_pretty(self)?;
            std::fs::write(path, text).with_context(|| format!("failed to write {}", path.display()))?;
        }
        Ok(())
    }
}
