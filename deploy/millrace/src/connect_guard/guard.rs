//! One guard at work: looks, decides, shows, acts.

use std::time::{Duration, Instant};

use connect::Client;
use futures::future::{LocalBoxFuture, pending};
use tokio_util::sync::CancellationToken;

use super::RUNBOOK;
use super::decide::{Action, Alarm, Busy, Counted, Memory, Observation, Policy, decide};
use super::mend::Mender;
use super::metrics::Metrics;
use super::observe::Eyes;
use super::verdict::Verdict;

const DRY_RUN: &str = "millrace reconcile store-to-topic --dry-run --wait-s-max 0";

pub(super) struct Guard {
    pub(super) eyes: Eyes,
    pub(super) client: Client,
    pub(super) mender: Mender,
    pub(super) policy: Policy,
    pub(super) metrics: Metrics,
    pub(super) memory: Memory,
    pub(super) job: Option<(Busy, LocalBoxFuture<'static, anyhow::Result<Counted>>)>,
    /// What the last job found, until the next look takes it in.
    pub(super) counted: Option<Counted>,
    pub(super) verdict: Verdict,
}

impl Guard {
    /// Looks that often until it is told to stop.
    pub(super) async fn run(mut self, look_every: Duration, stop: CancellationToken) {
        let mut looks = tokio::time::interval(look_every);
        looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                _ = looks.tick() => self.look().await,
                ended = self.job_ended() => self.take_in(ended),
            }
        }
        // A repair in hand is finished: nobody would know afterwards how far it came.
        if matches!(self.job, Some((Busy::Repairing, _))) {
            let ended = self.job_ended().await;
            self.take_in(ended);
        }
    }

    /// Looks, decides, shows, acts.
    async fn look(&mut self) {
        let (connector, database) = self.eyes.look().await;
        let counted = self.counted.take();
        let busy = self.job.as_ref().map(|(busy, _)| *busy);
        let seen = Observation { connector, database, counted, busy };
        let (memory, actions) = decide(&seen, std::mem::take(&mut self.memory), Instant::now(), &self.policy);
        self.memory = memory;
        self.metrics.show(&seen, &self.memory, &self.policy);
        self.verdict.set(&self.memory);
        for action in actions {
            self.act(action, &seen).await;
        }
    }

    async fn act(&mut self, action: Action, seen: &Observation) {
        let name = &self.eyes.connector.name;
        match action {
            Action::Raise(Alarm::SlotLost, why) => tracing::error!(
                alarm = Alarm::SlotLost.name(),
                why,
                command = DRY_RUN,
                runbook = RUNBOOK,
                "events were lost on their way to Kafka; the command counts them"
            ),
            Action::Raise(alarm, why) => {
                tracing::error!(alarm = alarm.name(), why, runbook = RUNBOOK, "an alarm is raised");
            }
            Action::Clear(alarm) => tracing::info!(alarm = alarm.name(), "an alarm is over"),
            Action::Restart(attempt) => {
                self.metrics.restarts.inc();
                let done = self.client.restart(name).await;
                told(&done, "failed parts are started anew", attempt);
            }
            Action::RestartAll(attempt) => {
                self.metrics.restarts.inc();
                let done = self.client.restart_all(name).await;
                told(&done, "all parts are started anew, since none does anything", attempt);
            }
            Action::Stop => {
                let done = self.client.stop(name).await;
                told(&done, "the connector is stopped, so that it does not go on behind the gap", 1);
            }
            Action::Count => {
                let is_running = matches!(&seen.connector, Ok(Some(connector)) if connector.running);
                let counting = self.mender.clone().count(is_running);
                self.job = Some((Busy::Counting, Box::pin(counting)));
            }
            Action::Repair => {
                tracing::warn!("the slot is made anew, and what the topics lack is published again");
                self.job = Some((Busy::Repairing, Box::pin(self.mender.clone().repair())));
            }
        }
    }

    /// Waits until the job ends; for ever where there is none.
    async fn job_ended(&mut self) -> anyhow::Result<Counted> {
        match &mut self.job {
            Some((_, job)) => job.await,
            None => pending().await,
        }
    }

    fn take_in(&mut self, ended: anyhow::Result<Counted>) {
        self.job = None;
        match ended {
            Ok(counted) => {
                tracing::warn!(
                    missing = counted.missing,
                    command = DRY_RUN,
                    "events that the topics lack are counted"
                );
                self.counted = Some(counted);
            }
            Err(error) => {
                tracing::error!(error = format!("{error:#}"), runbook = RUNBOOK, "a job of the guard failed");
            }
        }
    }
}

fn told(done: &Result<(), connect::Error>, what: &str, attempt: u32) {
    match done {
        Ok(()) => tracing::warn!(attempt, "{what}"),
        Err(error) => tracing::error!(attempt, %error, "it was tried in vain: {what}"),
    }
}
