use std::io::IsTerminal;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

/// Says what is going on: moving lines on a terminal, plain ones anywhere else. All on standard error.
#[derive(Debug, Clone)]
pub(crate) struct Progress {
    bars: Option<MultiProgress>,
}

/// One thing that is going on.
#[derive(Debug)]
pub(crate) struct Step {
    name: String,
    bar: Option<ProgressBar>,
    begun: Instant,
    /// How many bytes it is long, when it counts them.
    total: u64,
    /// The tenths of them that a plain line was written for.
    tenths: AtomicU64,
}

impl Progress {
    pub(crate) fn new() -> Self {
        Self { bars: std::io::stderr().is_terminal().then(MultiProgress::new) }
    }

    /// Begins a step of unknown length.
    pub(crate) fn step(&self, name: &str, message: &str) -> Step {
        let bar = self.bars.as_ref().map(|bars| {
            let bar = bars.add(ProgressBar::new_spinner());
            bar.set_style(
                ProgressStyle::with_template("{spinner} {prefix:10} {msg}").expect("a valid template"),
            );
            bar.set_prefix(name.to_owned());
            bar.enable_steady_tick(Duration::from_millis(100));
            bar
        });
        let step =
            Step { name: name.to_owned(), bar, begun: Instant::now(), total: 0, tenths: AtomicU64::new(0) };
        step.say(message);
        step
    }

    /// Begins a step that counts bytes.
    pub(crate) fn bytes(&self, name: &str, total: u64) -> Step {
        let bar = self.bars.as_ref().map(|bars| {
            let bar = bars.add(ProgressBar::new(total));
            let template = "{prefix:10} {bar:30} {bytes}/{total_bytes} {msg}";
            bar.set_style(ProgressStyle::with_template(template).expect("a valid template"));
            bar.set_prefix(name.to_owned());
            bar
        });
        Step { name: name.to_owned(), bar, begun: Instant::now(), total, tenths: AtomicU64::new(0) }
    }
}

impl Step {
    pub(crate) fn say(&self, message: &str) {
        match &self.bar {
            Some(bar) => bar.set_message(message.to_owned()),
            None => eprintln!("{:10} {message}", self.name),
        }
    }

    pub(crate) fn reached(&self, bytes: u64) {
        let tenths = (bytes * 10).checked_div(self.total).unwrap_or(0);
        match &self.bar {
            Some(bar) => bar.set_position(bytes),
            None if tenths > self.tenths.swap(tenths, Ordering::Relaxed) => {
                self.say(&format!("{} %", tenths * 10))
            }
            None => {}
        }
    }

    /// How long it has been going on.
    pub(crate) fn seconds(&self) -> f64 {
        self.begun.elapsed().as_secs_f64()
    }

    pub(crate) fn done(self, message: &str) {
        match &self.bar {
            Some(bar) => bar.finish_with_message(message.to_owned()),
            None => eprintln!("{:10} {message}", self.name),
        }
    }
}
