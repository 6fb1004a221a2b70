//! Applying what the topic brings.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use events::{DomainEvent, Recorded, Timestamp};
use projection::Projection;
use tracing::{error, info, warn};
use wire::Decoder;

use super::ahead::Incoming;
use super::circuit::Circuit;
use super::draft::{Draft, Refused};
use super::partition::{Parked, Partition};
use super::{Lane, SinkTrouble, asked, read, told};
use crate::changes::{Changes, Progress};
use crate::fault::{Classify, Fault};
use crate::parking::{Park, ParkKey, Reason};
use crate::projector::ProjectorError;
use crate::queue::Fetched;
use crate::record::Record;
use crate::rhythm::WORTHWHILE;
use crate::store::{Committed, RowKey, ViewStore};
use crate::way::{Way, now};

/// What a batch of records comes to.
struct Plan<V> {
    changes: Changes<V>,
    draft: Draft<V>,
    /// Partitions that stop, and why.
    holds: Vec<(i32, Hold)>,
    /// What became of the last records, by partition, after this batch.
    circuits: BTreeMap<i32, Circuit>,
    /// The way of the newest event of each partition.
    newest: BTreeMap<i32, Way>,
}

/// Why a partition goes no further for now.
enum Hold {
    /// The registry does not say what a schema is.
    Registry(String),
    /// It cannot apply too much; a person has to look.
    Stopped(String),
}

/// A record after the first look.
enum Seen<E> {
    /// Its partition has come to a halt.
    Beyond,
    /// An operator decided to do without it.
    Decided,
    /// Its key is parked.
    Behind(ParkKey),
    Event(ParkKey, Box<Recorded<E>>),
    Bad(ParkKey, String),
}

impl<P: Projection, S: ViewStore<P>> Lane<P, S> {
    /// Takes what is there and brings it into the sink, together.
    pub(super) async fn flush(&mut self) -> Result<(), ProjectorError> {
        let started = Instant::now();
        let idle = started.saturating_duration_since(self.idle_since);
        if let Some(linger) = self.rhythm.linger() {
            let lacking = WORTHWHILE.saturating_sub(self.ahead.len());
            drop(tokio::time::timeout(linger, self.queue.holds(lacking)).await);
        }
        let ours = |p: i32, generation| self.partitions.get(&p).is_some_and(|p| p.is_running(generation));
        let mut records = self.ahead.take(&self.queue);
        records.retain(|incoming| ours(incoming.fetched.record.partition, incoming.fetched.generation));
        if !records.is_empty() {
            let count = records.len();
            self.apply(records).await?;
            let took = started.elapsed();
            self.metrics.flush_records.observe(count as f64);
            self.metrics.flush_seconds.observe(took.as_secs_f64());
            self.rhythm.flushed(count, idle, took);
        }
        self.idle_since = Instant::now();
        Ok(())
    }

    /// Applies records in order. A batch with data that the sink cannot store is halved until the culprit is alone,
    /// and parks.
    async fn apply(&mut self, records: Vec<Incoming<P::Event>>) -> Result<(), ProjectorError> {
        let mut work = vec![(records, None)];
        while let Some((mut records, unstorable)) = work.pop() {
            let goes_on = |id: i32| self.partitions.get(&id).is_some_and(|p| p.wake_at().is_none());
            records.retain(|incoming| goes_on(incoming.fetched.record.partition));
            if records.is_empty() {
                continue;
            }
            let plan = match self.plan(&mut records, unstorable.clone()).await {
                Ok(plan) => plan,
                Err(trouble) => return self.judge("load rows", trouble),
            };
            if plan.changes.progress.is_empty() {
                self.done(plan, now(), &[]); // Every partition of it has come to a halt.
                continue;
            }
            let applied_at = now();
            match self.commit(&plan.changes).await {
                Ok(committed) => self.done(plan, applied_at, &committed.fenced),
                Err(SinkTrouble::Refused(error))
                    if error.fault() == Fault::Poison && unstorable.is_none() =>
                {
                    if records.len() == 1 {
                        work.push((records, Some(told(&error))));
                    } else {
                        let second = records.split_off(records.len() / 2);
                        work.push((second, None));
                        work.push((records, None));
                    }
                }
                Err(trouble) => return self.judge("write", trouble),
            }
        }
        Ok(())
    }

    /// Has the sink apply the changes, and reads meanwhile what comes next.
    async fn commit(&mut self, changes: &Changes<P::View>) -> Result<Committed, SinkTrouble<S::Error>> {
        let committing = asked(self.config.sink_timeout(), self.store.commit(changes));
        let mut committing = std::pin::pin!(committing);
        tokio::select! {
            biased;
            committed = &mut committing => return committed,
            () = self.ahead.read(&self.queue, &self.decoder) => {}
        }
        committing.await
    }

    /// Works out what the records come to. `unstorable`: the sink refused what came of the only record; it parks.
    async fn plan(
        &mut self,
        records: &mut [Incoming<P::Event>],
        unstorable: Option<String>,
    ) -> Result<Plan<P::View>, SinkTrouble<S::Error>> {
        let mut holds: Vec<(i32, Hold)> = Vec::new();
        let mut seen = Vec::with_capacity(records.len());
        for incoming in &mut *records {
            seen.push(look_at(&self.decoder, &self.partitions, incoming, &mut holds).await);
        }
        let mut draft = Draft::new();
        let keys = seen.iter().zip(&*records).filter_map(|(seen, incoming)| match seen {
            Seen::Event(_, event) => Some((
                incoming.fetched.record.partition,
                RowKey { tenant: event.tenant.clone(), aggregate_id: event.aggregate_id },
            )),
            _ => None,
        });
        let missing = draft.recall(&mut self.cache, keys);
        if !missing.is_empty() {
            draft.loaded(asked(self.config.sink_timeout(), self.store.load(&missing)).await?);
        }
        let mut plan = Plan {
            changes: Changes::new(Arc::clone(&self.topic)),
            draft,
            holds,
            circuits: BTreeMap::new(),
            newest: BTreeMap::new(),
        };
        let mut reached: BTreeMap<i32, &Record> = BTreeMap::new();
        for (Incoming { fetched, .. }, seen) in records.iter().zip(seen) {
            let record = &fetched.record;
            if plan.holds.iter().any(|(p, hold)| *p == record.partition && matches!(hold, Hold::Stopped(_))) {
                continue;
            }
            if self.work_out(&mut plan, fetched, seen, unstorable.as_deref()) {
                reached.insert(record.partition, record);
            }
        }
        for (id, last) in reached {
            let partition = &self.partitions[&id];
            let (epoch, from) = (partition.epoch.unwrap_or_default(), partition.next_offset);
            let (next_offset, fingerprint) = (last.offset + 1, Some(last.fingerprint(self.topic_id)));
            plan.changes.progress.push(Progress { partition: id, epoch, from, next_offset, fingerprint });
        }
        plan.changes.rows = plan.draft.changed();
        plan.changes.parks = std::mem::take(&mut plan.draft.parks);
        Ok(plan)
    }

    /// Folds or parks one record; `false` if its partition goes no further.
    fn work_out(
        &self,
        plan: &mut Plan<P::View>,
        Fetched { record, fetched_at, .. }: &Fetched,
        seen: Seen<P::Event>,
        unstorable: Option<&str>,
    ) -> bool {
        let id = record.partition;
        let partition = &self.partitions[&id];
        let (key, refused) = match seen {
            Seen::Beyond => return false,
            Seen::Decided => return true,
            Seen::Behind(key) => (key, behind()),
            Seen::Bad(key, why) => (key, Refused::new(Reason::Undecodable, why)),
            Seen::Event(key, _) if plan.draft.parks(id, &key) => (key, behind()),
            Seen::Event(key, _) if unstorable.is_some() => {
                (key, Refused::new(Reason::Unstorable, unstorable.unwrap_or_default()))
            }
            Seen::Event(key, event) => match plan.draft.fold::<P>(partition, &self.refused, record, &event) {
                Ok(()) => {
                    plan.circuits.entry(id).or_insert(partition.circuit).passed();
                    plan.newest.insert(id, Way::of(record, event.recorded_at, *fetched_at));
                    return true;
                }
                Err(refused) => (key, refused),
            },
        };
        let Refused { reason, message } = refused;
        let park = Park { key, record: record.clone(), hints: read::hints(record), reason, message };
        if let Err(full) = self.admit(plan, partition, &park) {
            plan.holds
                .push((id, Hold::Stopped(format!("{full}; offset {}: {}", record.offset, park.message))));
            return false;
        }
        plan.draft.park(partition, park);
        true
    }

    /// Parking is bounded, for all and for each tenant, and many failures are not a matter of single records.
    fn admit(&self, plan: &mut Plan<P::View>, partition: &Partition, park: &Park) -> Result<(), String> {
        let (id, key, config) = (partition.id, &park.key, &self.config);
        let parked = partition.parked.get(key).map(|parked| &parked.tenant);
        let parked = parked.or_else(|| plan.draft.tenant_of(id, key));
        let (is_new, tenant) = (parked.is_none(), parked.unwrap_or(&park.hints.tenant).as_ref());
        let (keys, records) = plus(partition.room_taken(), plan.draft.room_taken(id));
        if is_new && keys >= config.parked_keys_max {
            return Err(format!("{keys} keys are parked, the most allowed (parked-keys-max)"));
        }
        if records >= config.parked_events_max {
            return Err(format!("{records} records are parked, the most allowed (parked-events-max)"));
        }
        let (keys, records) = plus(partition.room_taken_by(tenant), plan.draft.room_taken_by(id, tenant));
        let whose = || tenant.map_or("no known tenant".to_owned(), |tenant| format!("tenant {tenant}"));
        if is_new && keys >= config.tenant_parked_keys_max {
            let whose = whose();
            return Err(format!(
                "{keys} keys of {whose} are parked, the most allowed of one (tenant-parked-keys-max)"
            ));
        }
        if records >= config.tenant_parked_events_max {
            let whose = whose();
            return Err(format!(
                "{records} records of {whose} are parked, the most allowed of one (tenant-parked-events-max)"
            ));
        }
        if park.reason == Reason::Behind {
            return Ok(());
        }
        plan.circuits.entry(id).or_insert(partition.circuit).failed(config)
    }

    /// The sink has it: now it is true here, too.
    fn done(&mut self, plan: Plan<P::View>, applied_at: Timestamp, fenced: &[i32]) {
        self.sink.answered();
        self.metrics.flushes.inc();
        self.metrics.applied.inc_by(plan.draft.tally.applied);
        self.metrics.stale.inc_by(plan.draft.tally.stale);
        self.metrics.gaps.inc_by(plan.draft.tally.gaps);
        let visible_at = now();
        plan.draft.keep(&mut self.cache, fenced);
        for progress in plan.changes.progress.iter().filter(|p| !fenced.contains(&p.partition)) {
            if let Some(partition) = self.partitions.get_mut(&progress.partition) {
                partition.next_offset = progress.next_offset;
                partition.lacks_schema = false;
                partition.before = progress.fingerprint;
                if let Some(circuit) = plan.circuits.get(&progress.partition) {
                    partition.circuit = *circuit;
                }
                if std::mem::take(&mut partition.stopped) {
                    partition.circuit.begin_anew();
                    info!(topic = &*self.topic, partition = partition.id, "goes on");
                    self.metrics.stopped.with_label_values(&[&partition.id.to_string()]).set(0);
                }
                if let Some(way) = plan.newest.get(&progress.partition) {
                    partition.newest = Some(way.recorded_at);
                    self.metrics.hops.arrived(way, applied_at, visible_at);
                }
            }
        }
        self.remember_parks(&plan.changes.parks, fenced);
        for id in fenced {
            self.fenced(*id);
        }
        let mut left_alone = None;
        for (id, hold) in plan.holds {
            if !fenced.contains(&id) {
                self.hold(id, hold, &mut left_alone);
            }
        }
        self.note_schemas();
    }

    /// The registry answers if nobody waits for a schema any more.
    pub(super) fn note_schemas(&mut self) {
        if !self.partitions.values().any(|partition| partition.lacks_schema) {
            self.registry.answered();
        }
    }

    fn remember_parks(&mut self, parks: &[Park], fenced: &[i32]) {
        let mut touched: HashMap<i32, usize> = HashMap::new();
        for park in parks.iter().filter(|park| !fenced.contains(&park.record.partition)) {
            let Some(partition) = self.partitions.get_mut(&park.record.partition) else { continue };
            self.metrics.parked.with_label_values(&[park.reason.as_str()]).inc();
            if park.reason != Reason::Behind {
                let (id, offset, key, reason) = (partition.id, park.record.offset, &park.key, park.reason);
                warn!(topic = &*self.topic, partition = id, offset, %key, %reason, "parked: {}", park.message);
            }
            let (tenant, first_offset) = (park.hints.tenant.clone(), park.record.offset);
            let first = Parked { tenant, first_offset, events: 0 };
            partition.parked.entry(park.key.clone()).or_insert(first).events += 1;
            touched.insert(partition.id, partition.parked.len());
        }
        for (id, keys) in touched {
            self.metrics.parked_keys.with_label_values(&[&id.to_string()]).set(keys as i64);
        }
    }

    /// `left_alone`: for how long the registry is, once it has failed in this flush.
    fn hold(&mut self, id: i32, hold: Hold, left_alone: &mut Option<Duration>) {
        let wait = match hold {
            Hold::Registry(why) => {
                self.metrics.transient_faults.inc();
                info!(topic = &*self.topic, partition = id, "held, the schema cannot be had: {why}");
                if let Some(partition) = self.partitions.get_mut(&id) {
                    partition.lacks_schema = true;
                }
                *left_alone.get_or_insert_with(|| self.registry.failed(why))
            }
            Hold::Stopped(why) => {
                error!(topic = &*self.topic, partition = id, "STOPPED: {why}");
                if let Some(partition) = self.partitions.get_mut(&id) {
                    partition.stopped = true;
                }
                self.metrics.stopped.with_label_values(&[&id.to_string()]).set(1);
                Duration::from_millis(self.config.stopped_retry_ms)
            }
        };
        self.pause(id, wait);
    }
}

fn plus(one: (usize, u64), other: (usize, u64)) -> (usize, u64) {
    (one.0 + other.0, one.1 + other.1)
}

fn behind() -> Refused {
    Refused::new(Reason::Behind, "an earlier record of its key is parked")
}

/// A first look at a record, before any row is read.
async fn look_at<E: DomainEvent>(
    decoder: &Decoder<E>,
    partitions: &BTreeMap<i32, Partition>,
    incoming: &mut Incoming<E>,
    holds: &mut Vec<(i32, Hold)>,
) -> Seen<E> {
    let record = &incoming.fetched.record;
    let id = record.partition;
    let Some(partition) = partitions.get(&id) else { return Seen::Beyond };
    if record.offset < partition.next_offset || holds.iter().any(|(held, _)| *held == id) {
        return Seen::Beyond;
    }
    if partition.decided.has_offset(record.offset) {
        return Seen::Decided;
    }
    let key = ParkKey::of(record.key.as_deref());
    if partition.parks(&key, record.offset) {
        return Seen::Behind(key);
    }
    let found = match incoming.found.take() {
        Some(found) => Ok(found),
        None => read::event(decoder, record).await,
    };
    match found {
        Ok(Ok(event)) => Seen::Event(key, event),
        Ok(Err(why)) => Seen::Bad(key, why),
        Err(error) => {
            holds.push((id, Hold::Registry(told(&error))));
            Seen::Beyond
        }
    }
}
