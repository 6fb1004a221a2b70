use std::io::IsTerminal;
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
        let step = Step { name: name.to_owned(), bar, begun: Instant::now() };
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
        Step { name: name.to_owned(), bar, begun: Instant::now() }
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
        if let Some(bar) = &self.bar {
            bar.set_position(bytes);
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
