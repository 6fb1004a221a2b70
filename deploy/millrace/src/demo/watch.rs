//! The live line.

use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use crate::chain::{Chain, Standing};

/// One line that shows where things stand: rewritten on a terminal, printed every other second elsewhere.
#[derive(Debug)]
pub(crate) struct LiveLine {
    bar: ProgressBar,
    printed: Option<Instant>,
}

impl LiveLine {
    pub(crate) fn new() -> Self {
        let style = ProgressStyle::with_template("  {spinner} {msg}").expect("the template is a constant");
        Self { bar: ProgressBar::new_spinner().with_style(style), printed: None }
    }

    pub(crate) fn show(&mut self, standing: Standing) {
        if !self.bar.is_hidden() {
            self.bar.set_message(standing.to_string());
            self.bar.tick();
        } else if self.printed.is_none_or(|at| at.elapsed() > Duration::from_secs(2)) {
            println!("  {standing}");
            self.printed = Some(Instant::now());
        }
    }

    pub(crate) fn finish(self, standing: Standing) {
        self.bar.finish_and_clear();
        println!("  {standing}");
    }
}

/// Runs `work` while the line is shown.
pub(crate) async fn while_running<T>(
    chain: &Chain,
    work: impl Future<Output = anyhow::Result<T>>,
) -> anyhow::Result<T> {
    let mut line = LiveLine::new();
    tokio::pin!(work);
    let result = loop {
        tokio::select! {
            result = &mut work => break result,
            standing = next(chain) => line.show(standing?),
        }
    };
    line.finish(chain.standing().await?);
    result
}

async fn next(chain: &Chain) -> anyhow::Result<Standing> {
    tokio::time::sleep(Duration::from_millis(200)).await;
    chain.standing().await
}

/// Waits until everything is applied, but for `left` events that are held back, with the line shown.
pub(crate) async fn until_drained(chain: &Chain, left: u64) -> anyhow::Result<Standing> {
    let mut line = LiveLine::new();
    let standing = chain.drained(left, Duration::from_secs(60), |standing| line.show(standing)).await?;
    line.finish(standing);
    Ok(standing)
}
