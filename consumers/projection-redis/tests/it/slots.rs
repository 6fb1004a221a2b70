//! Slots of a cluster that move from one primary to another, as operators move them.

use kafka::conformance::{History, Rig, Sink, Topic};
use kafka::{Claim, Classify, Committed, Fault, Tenure, ViewStore};
use local::Component;
use projection_redis::Place;
use testkit::{OwnStack, eventually};

use crate::cluster::{BOUND, PRIMARIES, stage};
use crate::servers::*;
use crate::sink::RedisSink;
use crate::stage::*;

/// The slot of a key on its way to another primary.
struct Slot<'own> {
    own: &'own OwnStack,
    key: String,
    slot: u16,
    from: Component,
    to: Component,
}

impl<'own> Slot<'own> {
    /// Neither serves all of it until it has arrived.
    async fn leaves(own: &'own OwnStack, key: &str) -> Self {
        let slot: u16 = ask(own, Component::Redis, &format!("CLUSTER KEYSLOT {key}")).await.unwrap();
        let home = home(own, slot).await;
        let [from, to] = [home, (home + 1) % PRIMARIES].map(|at| Component::REDIS[at]);
        let moving = Self { own, key: key.to_owned(), slot, from, to };
        moving.set(to, &format!("IMPORTING {}", moving.id(from).await)).await;
        moving.set(from, &format!("MIGRATING {}", moving.id(to).await)).await;
        moving
    }

    /// So many of the keys that are still to go.
    async fn left(&self, count: usize) -> Vec<String> {
        let command = format!("CLUSTER GETKEYSINSLOT {} {count}", self.slot);
        ask(self.own, self.from, &command).await.unwrap()
    }

    async fn carries(&self, keys: &[String]) {
        let url = address(self.own, self.to);
        let (host, port) = url.rsplit_once('@').unwrap().1.trim_end_matches('/').split_once(':').unwrap();
        let password = self.own.fact("MILLRACE_REDIS_PASSWORD");
        // Between the two spaces: no single key.
        let command = format!("MIGRATE {host} {port}  0 5000 AUTH {password} KEYS {}", keys.join(" "));
        assert_eq!(ask::<String>(self.own, self.from, &command).await.unwrap(), "OK");
    }

    async fn carries_all(&self) {
        self.carries(&self.left(100).await).await;
    }

    /// All primaries are told; the replicas hear of it by and by.
    async fn arrives(&self) {
        let id = self.id(self.to).await;
        self.set(self.to, &format!("NODE {id}")).await;
        for primary in &Component::REDIS[..PRIMARIES] {
            self.set(*primary, &format!("NODE {id}")).await;
        }
    }

    /// Every node sends there whoever asks for its key.
    async fn is_known_to_all(&self) -> bool {
        let mut is_known = true;
        for node in Component::REDIS {
            let answer = ask::<u64>(self.own, node, &format!("EXISTS {}", self.key)).await;
            let sent = answer.as_ref().err().and_then(|error| error.redirect_node());
            is_known &= match sent {
                None => node == self.to && answer.is_ok(),
                Some((to, _)) => address(self.own, self.to).contains(to),
            };
        }
        is_known
    }

    /// How often the primary that it leaves has answered with this error.
    async fn answered(&self, error: &str) -> u64 {
        let stats: String = ask(self.own, self.from, "INFO errorstats").await.unwrap();
        let count = format!("errorstat_{error}:count=");
        let count = stats.lines().find_map(|line| line.strip_prefix(&count));
        count.map_or(0, |count| count.trim().parse().unwrap())
    }

    async fn id(&self, primary: Component) -> String {
        ask(self.own, primary, "CLUSTER MYID").await.unwrap()
    }

    async fn set(&self, primary: Component, state: &str) {
        let command = format!("CLUSTER SETSLOT {} {state}", self.slot);
        assert_eq!(ask::<String>(self.own, primary, &command).await.unwrap(), "OK");
    }
}

/// Which primary has the keys of a slot.
async fn home(own: &OwnStack, slot: u16) -> usize {
    let keys = format!("CLUSTER COUNTKEYSINSLOT {slot}");
    for (at, primary) in Component::REDIS[..PRIMARIES].iter().enumerate() {
        if ask::<u64>(own, *primary, &keys).await.unwrap() > 0 {
            return at;
        }
    }
    panic!("nobody has keys of slot {slot}");
}

/// An owner at work on all partitions, on executions that lie where their keys are hashed.
struct AtWork {
    sink: RedisSink,
    topic: Topic,
    history: History,
    rig: Rig,
}

impl AtWork {
    const EXECUTIONS: u128 = 60;

    /// And the cluster that it works on.
    async fn new() -> (OwnStack, Self) {
        let (own, stage) = stage().await;
        let sink = RedisSink { stage };
        let (topic, mut history) = (Topic::default(), History::default());
        for n in 0..Self::EXECUTIONS {
            topic.append(Self::lies_in(n), [history.started(n, "django")]);
        }
        let rig = Rig::start(sink.open().await, &topic, &history);
        let all: Vec<i32> = (0..PARTITIONS).collect();
        rig.assign(&all).await;
        rig.caught_up(&sink, &all).await;
        (own, Self { sink, topic, history, rig })
    }

    fn lies_in(n: u128) -> i32 {
        let id = History::row(n).aggregate_id.to_string();
        kafka::partition_of(id.as_bytes(), PARTITIONS)
    }

    /// Another event of each execution of these partitions.
    fn load(&mut self, partitions: impl Fn(i32) -> bool) {
        for n in (0..Self::EXECUTIONS).filter(|n| partitions(Self::lies_in(*n))) {
            self.topic.append(Self::lies_in(n), [self.history.called(n, 3)]);
        }
    }

    /// Everything is applied once, where the slots have got to, and nothing is parked.
    async fn is_whole(&self) {
        let all: Vec<i32> = (0..PARTITIONS).collect();
        self.rig.caught_up(&self.sink, &all).await;
        assert_eq!(self.sink.rows().await, self.history.rows());
        assert_eq!(self.sink.parked().await, []);
        let (mut places, mut total) = (0, 0);
        let count = |place: Place| (places, total) = (places + 1, total + place.score);
        self.sink.reader().places(count).await.unwrap();
        let tokens = self.history.rows().values().map(|row| row.view.as_ref().unwrap().tokens).sum::<i64>();
        assert_eq!((places, total), (Self::EXECUTIONS, tokens));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slots_that_move_to_other_nodes_under_load_are_waited_for_and_nothing_parks() {
    let (own, mut work) = AtWork::new().await;
    let mut reader = work.sink.reader();
    reader.rows(|_| ()).await.unwrap();
    for pair in [[0, 1], [1, 2]] {
        let [one, other] = pair.map(|partition| work.sink.stage.key(partition, "changes"));
        let slots = [Slot::leaves(&own, &one).await, Slot::leaves(&own, &other).await];
        for slot in &slots {
            let answered = slot.answered("TRYAGAIN").await;
            slot.carries(std::slice::from_ref(&slot.key)).await;
            work.load(|_| true);
            let met = async || slot.answered("TRYAGAIN").await > answered;
            eventually("the owner meets a slot that lacks a key", BOUND, met).await;
        }
        for slot in &slots {
            let answered = slot.answered("ASK").await;
            loop {
                let keys = slot.left(2).await;
                if keys.is_empty() {
                    break;
                }
                slot.carries(&keys).await;
                work.load(|_| true);
            }
            let met = async || slot.answered("ASK").await > answered;
            eventually("the owner meets a slot that is empty", BOUND, met).await;
        }
        for slot in &slots {
            slot.arrives().await;
            work.load(|_| true);
        }
        for slot in &slots {
            eventually("all have heard of it", BOUND, async || slot.is_known_to_all().await).await;
        }
        work.is_whole().await;
    }
    assert!(work.rig.metrics().transient_faults.get() >= 4, "each was noticed");
    // Whoever knew the slots' old homes is told of the new ones, once.
    let error = reader.positions().await.unwrap_err();
    assert_eq!(error.fault(), Fault::Transient, "{error}");
    for (key, row) in work.history.rows() {
        assert_eq!(reader.row(&key.tenant, key.aggregate_id).await.unwrap(), row);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slot_that_moved_while_nothing_came_is_found_in_its_new_home() {
    let (own, mut work) = AtWork::new().await;
    loop {
        let slot = Slot::leaves(&own, &work.sink.stage.key(0, "offset")).await;
        slot.carries_all().await;
        let (answered, applied) = (slot.answered("MOVED").await, work.rig.metrics().applied.get());
        slot.arrives().await;
        work.load(|partition| partition == 0);
        let mut is_told = false;
        eventually("the owner is told, or looked when it was half-way", BOUND, async || {
            is_told = slot.answered("MOVED").await > answered;
            is_told || work.rig.metrics().applied.get() > applied
        })
        .await;
        eventually("all have heard of it", BOUND, async || slot.is_known_to_all().await).await;
        work.is_whole().await;
        if is_told {
            break;
        }
    }
}

#[tokio::test]
async fn a_board_that_empties_while_its_slot_moves_loses_no_place() {
    let (own, stage) = stage().await;
    let mut store = stage.store("a").with_feed(100);
    let claimed = claim(&mut store, 0).await.unwrap();
    // One on each board; the second was finished, so that all keys of a flush are there.
    let begin = flush(&claimed, 1, vec![change(0, 1, 0, 2), change(0, 2, 0, 1001)]);
    assert_eq!(store.commit(&begin).await.unwrap(), Committed::default());
    let claimed = Claim { next_offset: 1, ..claimed };
    let slot = Slot::leaves(&own, &stage.key(0, "offset")).await;
    let swap = flush(&claimed, 2, vec![change(0, 1, 2, 3), change(0, 2, 1001, 1002)]);
    let error = store.commit(&swap).await.unwrap_err();
    assert_eq!(error.fault(), Fault::Transient, "{error}");
    slot.carries_all().await;
    slot.arrives().await;
    eventually("all have heard of it", BOUND, async || slot.is_known_to_all().await).await;
    let renewed = store.renew(TOPIC, &[Tenure { partition: 0, epoch: claimed.epoch }]).await.unwrap();
    let swap = flush(&renewed[0], 2, swap.rows);
    assert_eq!(store.commit(&swap).await.unwrap(), Committed::default());
    let mut places = vec![];
    stage.reader().places(|place| places.push((place.board, place.score))).await.unwrap();
    places.sort();
    assert_eq!(places, [("even".to_owned(), 1002), ("odd".to_owned(), 3)]);
}
