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
    use super::*;

    #[test]
    fn a_line_says_how_far_it_is_and_when_it_ends() {
        let bar = ProgressBar::hidden();
        bar.set_length(1_000);
        for _ in 0..50 {
            std::thread::sleep(Duration::from_millis(2));
            bar.inc(10);
        }
        let line = line(&bar, "positions");
        let (begin, rest) = line.split_once(", ").unwrap();
        let rate: f64 = rest.split_once(" a second, ").unwrap().0.parse().unwrap();
        assert_eq!(begin, "500 of 1000 positions");
        assert!(rate > 10.0 && rest.ends_with(" left"), "{line}");
    }
}
