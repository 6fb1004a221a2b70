//! Progress for people: a bar on a terminal, nothing elsewhere.

use indicatif::{ProgressBar, ProgressStyle};

/// A bar over `total` things.
pub(crate) fn bar(total: u64, things: &str) -> ProgressBar {
    let style = ProgressStyle::with_template(&format!(
        "{{bar:30}} {{pos}}/{{len}} {things} {{per_sec}}, {{eta}} left, {{msg}}"
    ))
    .expect("the template is a constant");
    ProgressBar::new(total).with_style(style)
}
