//! Progress for people: a bar on a terminal, a line now and then elsewhere.

use std::time::Duration;

use indicatif::{HumanDuration, ProgressBar, ProgressStyle};

/// Between two lines, where there is no terminal.
const LINE_EVERY: Duration = Duration::from_secs(10);

/// A bar over `total` things. Only of use where tasks can run.
pub(crate) fn bar(total: u64, things: &'static str) -> ProgressBar {
    let style = ProgressStyle::with_template(&format!(
        "{{bar:30}} {{pos}}/{{len}} {things} {{per_sec}}, {{eta}} left, {{msg}}"
    ))
    .expect("the template is a constant");
    let bar = ProgressBar::new(total).with_style(style);
    if bar.is_hidden() {
        let of = bar.downgrade();
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(LINE_EVERY).await;
                let Some(bar) = of.upgrade().filter(|bar| !bar.is_finished()) else { break };
                eprintln!("{}", line(&bar, things));
            }
        });
    }
    bar
}

/// How far it is, in words.
fn line(bar: &ProgressBar, things: &str) -> String {
    let (done, total) = (bar.position(), bar.length().unwrap_or_default());
    let (rate, left) = (bar.per_sec(), HumanDuration(bar.eta()));
    format!("{done} of {total} {things}, {rate:.0} a second, {left} left")
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    #[test]
    fn a_line_says_how_far_it_is_and_when_it_ends() {
        let bar = ProgressBar::hidden();
        bar.set_length(1_000);
        let begun = Instant::now();
        // What is counted has to take time, whatever the clock's step.
        while bar.per_sec() < 1.0 && begun.elapsed() < Duration::from_secs(10) {
            bar.set_position((bar.position() + 10) % 500);
        }
        bar.set_position(500);
        let line = line(&bar, "positions");
        assert!(line.starts_with("500 of 1000 positions, ") && line.ends_with(" left"), "{line}");
        assert!(!line.contains(", 0 a second"), "{line}");
    }
}
