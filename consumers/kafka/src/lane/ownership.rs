//! Claiming, renewing and letting go of partitions.

use std::time::{Duration, Instant};

use projection::Projection;
use tracing::{info, warn};

use super::partition::{Partition, State, Wake};
use super::{FENCED, Lane, asked};
use crate::projector::ProjectorError;
use crate::signals::{Answer, Command, Control, Start};
use crate::store::{Claim, ViewStore};

/// How long a claim may take; the rebalance callback waits no longer.
const CLAIM: Duration = Duration::from_millis(1_800);

impl<P: Projection, S: ViewStore<P>> Lane<P, S> {
    /// Carries out what the poll thread asked for, in order. What is revoked further on is not claimed any more: the
    /// next owner may have it already.
    pub(super) async fn obey(&mut self, controls: Vec<Control>) -> Result<(), ProjectorError> {
        let mut controls = std::collections::VecDeque::from(controls);
        while let Some(control) = controls.pop_front() {
            match control {
                Control::Assigned { mut partitions, topic_id, answer } => {
                    self.topic_id = topic_id;
                    partitions.retain(|id| !controls.iter().any(|later| takes(later, *id)));
                    self.assigned(&partitions, &answer).await?;
                }
                Control::Revoked { partitions, answer } => {
                    let reached = partitions
                        .iter()
                        .filter_map(|id| self.partitions.get(id).filter(|p| p.is_settled()))
                        .map(|p| (p.id, p.next_offset))
                        .collect();
                    partitions.iter().for_each(|id| self.let_go(*id));
                    answer.give_if_awaited(reached);
                }
                Control::Forget { answer } => {
                    let all: Vec<i32> = self.partitions.keys().copied().collect();
                    all.into_iter().for_each(|id| self.let_go(id));
                    answer.give_if_awaited(());
                }
            }
        }
        self.metrics.partitions.set(self.partitions.len() as i64);
        Ok(())
    }

    async fn assigned(&mut self, ids: &[i32], answer: &Answer<Vec<Start>>) -> Result<(), ProjectorError> {
        let now = Instant::now();
        for id in ids {
            self.partitions.insert(*id, Partition::new(*id, now));
        }
        if !answer.is_awaited() {
            return Ok(()); // The callback gave up; they are claimed at leisure, being due now.
        }
        let starts = self.claim(ids).await?;
        if let Err(Some(late)) = answer.give(Some(starts)) {
            late.into_iter().for_each(|start| self.command(Command::Start(start)));
        }
        Ok(())
    }

    /// Claims; partitions that the sink could not be asked about wait for the next try.
    async fn claim(&mut self, ids: &[i32]) -> Result<Vec<Start>, ProjectorError> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        match asked(CLAIM.min(self.config.sink_timeout()), self.store.claim(&self.topic, ids)).await {
            Ok(claims) => {
                self.sink.answered();
                Ok(self.take_over(claims))
            }
            Err(trouble) => {
                self.judge("claim", trouble)?;
                Ok(Vec::new())
            }
        }
    }

    fn take_over(&mut self, claims: Vec<Claim>) -> Vec<Start> {
        let mut starts = Vec::new();
        for claim in claims {
            self.generation += 1;
            let (id, offset, generation) = (claim.partition, claim.next_offset, self.generation);
            let Some(partition) = self.partitions.get_mut(&id) else { continue };
            info!(topic = &*self.topic, partition = id, epoch = claim.epoch, offset, "claimed");
            partition.claimed(claim, generation);
            self.cache.forget(id);
            self.metrics.parked_keys.with_label_values(&[&id.to_string()]).set(partition.parked.len() as i64);
            self.metrics.stopped.with_label_values(&[&id.to_string()]).set(0);
            starts.push(partition.start(generation));
        }
        starts
    }

    fn let_go(&mut self, id: i32) {
        if self.partitions.remove(&id).is_none() {
            return;
        }
        self.cache.forget(id);
        self.note_schemas();
        if self.partitions.is_empty() {
            self.sink.answered(); // nobody asks it any more
        }
        // What is not ours is not ours to report.
        let label = [id.to_string()];
        for gauge in [&self.metrics.lag, &self.metrics.parked_keys, &self.metrics.stopped] {
            drop(gauge.remove_label_values(&[&label[0]]));
        }
    }

    /// The sink says that the partition has another owner, or stands elsewhere. If Kafka agrees, it will tell soon;
    /// if not, the other one is a late-comer, and the partition is claimed back.
    pub(super) fn fenced(&mut self, id: i32) {
        self.metrics.fence_rejections.inc();
        self.cache.forget(id);
        if let Some(partition) = self.partitions.get_mut(&id) {
            warn!(
                topic = &*self.topic,
                partition = id,
                epoch = partition.epoch,
                "fenced off: another owner claimed it"
            );
            partition.epoch = None;
            partition.state = State::Waiting(Instant::now() + FENCED, Wake::Claim);
            self.let_wait(vec![id]);
        }
    }

    /// Goes on with the partitions whose wait is over.
    pub(super) async fn wake(&mut self, now: Instant) -> Result<(), ProjectorError> {
        let due = |p: &&Partition, wanted| matches!(p.state, State::Waiting(until, wake) if until <= now && wake == wanted);
        let resume: Vec<i32> =
            self.partitions.values().filter(|p| due(p, Wake::Resume)).map(|p| p.id).collect();
        let renew: Vec<_> =
            self.partitions.values().filter(|p| due(p, Wake::Renew)).filter_map(Partition::tenure).collect();
        let claim: Vec<i32> =
            self.partitions.values().filter(|p| due(p, Wake::Claim)).map(|p| p.id).collect();
        for id in resume {
            self.resume(id);
        }
        if !renew.is_empty() {
            match asked(self.config.sink_timeout(), self.store.renew(&self.topic, &renew)).await {
                Ok(claims) => {
                    self.sink.answered();
                    let kept: Vec<i32> = claims.iter().map(|claim| claim.partition).collect();
                    let starts = self.take_over(claims);
                    starts.into_iter().for_each(|start| self.command(Command::Start(start)));
                    for lost in renew.iter().filter(|tenure| !kept.contains(&tenure.partition)) {
                        self.fenced(lost.partition);
                    }
                }
                Err(trouble) => return self.judge("renew", trouble),
            }
        }
        let starts = self.claim(&claim).await?;
        starts.into_iter().for_each(|start| self.command(Command::Start(start)));
        Ok(())
    }

    fn resume(&mut self, id: i32) {
        self.generation += 1;
        let generation = self.generation;
        if let Some(partition) = self.partitions.get_mut(&id) {
            partition.state = State::Running(generation);
            let start = partition.start(generation);
            self.command(Command::Start(start));
        }
    }
}

fn takes(control: &Control, id: i32) -> bool {
    match control {
        Control::Assigned { .. } => false,
        Control::Revoked { partitions, .. } => partitions.contains(&id),
        Control::Forget { .. } => true,
    }
}
