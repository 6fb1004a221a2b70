//! What a benchmark wrote, drawn.

use std::collections::BTreeMap;

use anyhow::Context;
use serde::Deserialize;
use svg::Document;
use svg::node::element::{Group, Line, Rectangle, Style, Text};

/// Of what `millrace bench --json` writes, what is drawn.
#[derive(Debug, Deserialize)]
struct Report {
    figures: Vec<Figure>,
}

#[derive(Debug, Deserialize)]
struct Figure {
    name: String,
    value: f64,
    unit: String,
    /// Such as `<= 6`.
    aim: Option<String>,
}

/// Where bars begin and how long the longest is, in pixels.
const LEFT: f64 = 290.0;
const LONGEST: f64 = 380.0;
const WIDTH: f64 = LEFT + LONGEST + 130.0;
const LINE: f64 = 24.0;
/// Units of figures that say how much was measured, not what came of it.
const BESIDE: [&str; 1] = ["count"];

const STYLE: &str = "text { font: 13px sans-serif; fill: #57606a } .unit { font-weight: bold } \
                     .bar { fill: #4c8dae } .aim { stroke: #d1242f; stroke-width: 2 }";

/// Bars of the figures, those of one unit on one scale; a red line is what was aimed at.
pub fn plot(json: &str) -> anyhow::Result<String> {
    let report: Report =
        serde_json::from_str(json).context("it is not what `millrace bench --json` writes")?;
    let mut units: BTreeMap<&str, Vec<&Figure>> = BTreeMap::new();
    for figure in report.figures.iter().filter(|figure| !BESIDE.contains(&figure.unit.as_str())) {
        units.entry(&figure.unit).or_default().push(figure);
    }
    let (mut drawn, mut y) = (Group::new(), 0.0);
    for (unit, figures) in units {
        y += LINE;
        drawn = drawn.add(Text::new(unit).set("class", "unit").set("x", LEFT).set("y", y));
        let scale = LONGEST / figures.iter().map(|figure| figure.reach()).fold(f64::MIN_POSITIVE, f64::max);
        for figure in figures {
            y += LINE;
            drawn = drawn.add(bar(figure, scale, y));
        }
        y += LINE / 2.0;
    }
    let document = Document::new().set("width", WIDTH).set("height", y).set("viewBox", (0, 0, WIDTH, y));
    Ok(format!("{}\n", document.add(Style::new(STYLE)).add(drawn)))
}

impl Figure {
    /// What is aimed at.
    fn aimed_at(&self) -> Option<f64> {
        self.aim.as_deref()?.split_whitespace().last()?.parse().ok()
    }

    fn reach(&self) -> f64 {
        self.value.max(self.aimed_at().unwrap_or_default())
    }
}

fn bar(figure: &Figure, scale: f64, y: f64) -> Group {
    let name = Text::new(&figure.name).set("text-anchor", "end").set("x", LEFT - 8.0).set("y", y);
    let bar = Rectangle::new().set("class", "bar").set("x", LEFT).set("y", y - 13.0);
    let bar = bar.set("width", round(figure.value * scale)).set("height", 16);
    let value =
        Text::new(short(figure.value)).set("x", round(LEFT + figure.reach() * scale + 8.0)).set("y", y);
    let drawn = Group::new().add(name).add(bar).add(value);
    match figure.aimed_at() {
        Some(aim) => {
            let x = round(LEFT + aim * scale);
            let line = Line::new().set("class", "aim").set("x1", x).set("x2", x);
            drawn.add(line.set("y1", y - 16.0).set("y2", y + 6.0))
        }
        None => drawn,
    }
}

/// Three digits are what such a figure is worth.
fn short(value: f64) -> String {
    match value {
        1_000_000.0.. => format!("{:.2} M", value / 1e6),
        10_000.0.. => format!("{:.1} k", value / 1e3),
        100.0.. => format!("{value:.0}"),
        _ => format!("{value:.2}"),
    }
}

fn round(pixels: f64) -> f64 {
    (pixels * 10.0).round() / 10.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_are_as_long_as_their_figures_and_aims_are_marked() {
        let json = r#"{"calibration": {}, "figures": [
            {"name": "a.rate", "value": 43000.0, "unit": "events/s", "aim": ">= 80000", "met": false},
            {"name": "b.rate", "value": 20000.0, "unit": "events/s", "aim": null, "met": null},
            {"name": "a.events", "value": 600000.0, "unit": "count", "aim": null, "met": null}]}"#;
        let plot = plot(json).unwrap();
        let (long, short) = (LONGEST * 43.0 / 80.0, LONGEST * 20.0 / 80.0);
        for part in [
            format!("width=\"{}\"", round(long)),
            format!("width=\"{}\"", round(short)),
            format!("x1=\"{}\"", LEFT + LONGEST),
            "43.0 k".to_owned(),
            "20.0 k".to_owned(),
        ] {
            assert!(plot.contains(&part), "{part} is not in {plot}");
        }
        assert!(!plot.contains("a.events"), "a count is no figure to compare");
    }

    #[test]
    fn what_is_no_report_is_refused() {
        assert!(plot("{}").is_err());
    }
}
