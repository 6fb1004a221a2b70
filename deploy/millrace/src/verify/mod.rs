//! `millrace verify`: store, topics and sinks, compared.

mod follow;
mod full;
mod role;
mod running;
mod sample;
mod seek;

use std::fmt::Display;
use std::time::Duration;

use clap::Args;
use ledger::{RunningReport, RunningVerdict};
use serde::Serialize;

use self::full::exceptions;
pub(crate) use self::full::{Stages, report};
pub(crate) use self::role::LedgerArgs;
pub(crate) use self::running::Comparer;
use crate::exit::Exit;

/// What to compare, and how to tell.
#[derive(Debug, Args)]
pub(crate) struct VerifyArgs {
    /// Compare every event of every stage and what every row shows; everything has to stand still meanwhile
    #[arg(long, conflicts_with_all = ["watch", "anew"])]
    full: bool,

    /// Compare again and again, so many seconds apart, until it is told to stop
    #[arg(long, value_name = "S", value_parser = clap::value_parser!(u64).range(1..))]
    watch: Option<u64>,

    /// Follow the store from its beginning once more, first; after another store was put in its place
    #[arg(long)]
    anew: bool,

    #[command(flatten)]
    running: RunningArgs,

    /// Print reports as JSON
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    stages: Stages,
}

/// How views are compared while everything goes on.
#[derive(Debug, Args)]
pub(crate) struct RunningArgs {
    #[command(flatten)]
    bound: BoundArgs,

    /// Rows of each view, picked at random, whose events are folded anew each time and compared with what they show
    #[arg(long, env = "MILLRACE_LEDGER_SAMPLE", default_value_t = 100, value_name = "ROWS")]
    ledger_sample: u32,

    /// How often totals are compared with the sum over all rows of their view, which reads every row, in seconds; 0: each time
    #[arg(long, env = "MILLRACE_LEDGER_TOTALS_S", default_value_t = 300, value_name = "S")]
    ledger_totals_s: u32,
}

impl RunningArgs {
    /// Connects to all stages.
    pub(crate) async fn connect(&self, stages: &Stages) -> anyhow::Result<Comparer> {
        let registry = wire::Registry::new(&stages.registry)?;
        let comparer = Comparer::connect(&stages.chain, self.bound.duration()).await?;
        let totals = Duration::from_secs(self.ledger_totals_s.into());
        Ok(comparer.showing(registry, usize::try_from(self.ledger_sample)?, totals))
    }
}

/// What is on its way, and what is missing.
#[derive(Debug, Args)]
pub(crate) struct BoundArgs {
    /// How long an event may take from the store to its topic before it is missed, in seconds
    #[arg(long, env = "MILLRACE_LEDGER_BOUND_S", default_value_t = 60, value_name = "S")]
    ledger_bound_s: u32,
}

impl BoundArgs {
    pub(crate) fn duration(&self) -> Duration {
        Duration::from_secs(self.ledger_bound_s.into())
    }
}

impl VerifyArgs {
    pub(crate) async fn run(self) -> anyhow::Result<Exit> {
        if self.full {
            let report = self.stages.compare().await?;
            self.print(&report)?;
            return Ok(if report.is_proved() { Exit::Ok } else { Exit::Failed });
        }
        let comparer = self.running.connect(&self.stages).await?;
        if self.anew {
            comparer.follow_anew().await?;
        }
        let Some(pause) = self.watch else { return self.tell(&comparer.compare().await?) };
        let stop = service::shutdown_signal()?;
        let mut exit = Exit::Ok;
        while !stop.is_cancelled() {
            exit = self.tell(&comparer.compare().await?)?;
            stop.run_until_cancelled(tokio::time::sleep(Duration::from_secs(pause))).await;
        }
        Ok(exit)
    }

    fn print(&self, report: &(impl Serialize + Display)) -> anyhow::Result<()> {
        if self.json {
            println!("{}", serde_json::to_string(report)?);
        } else {
            print!("{report}");
        }
        Ok(())
    }

    fn tell(&self, report: &RunningReport) -> anyhow::Result<Exit> {
        self.print(report)?;
        Ok(match report.verdict {
            RunningVerdict::Proved => Exit::Ok,
            RunningVerdict::Behind => Exit::PartlyFailed,
            RunningVerdict::Refuted | RunningVerdict::Vacuous => Exit::Failed,
        })
    }
}
