//! Sinks that each lack one safety. A story that such a sink passes shows nothing.

use std::collections::BTreeMap;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::task::Poll;

use projection::{Projection, Row};

use super::flaky::FlakyError;
use super::{
    Parked, Sink, Tally, TallyView, Totals, a_gap_parks_its_key_and_others_flow,
    a_late_batch_of_a_zombie_changes_nothing, a_parked_key_is_remembered_by_the_next_owner,
    events_of_one_key_in_one_batch_apply_in_order,
};
use crate::changes::{Changes, Progress};
use crate::parking::{ParkKey, ParkedRecord, Request};
use crate::store::{Claim, Committed, Loaded, RowKey, Tenure, ViewStore};

/// What a sink lacks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mutant {
    /// Nothing: the first commit of each owner is cut off before it begins.
    Sound,
    /// Whoever writes is taken for the owner.
    Unfenced,
    /// The offset moves in a transaction of its own; the first commit of each owner is cut off behind it.
    OffsetApart,
    /// What parks does so in a transaction of its own; the first commit of each owner is cut off before it.
    ParksApart,
    /// The next owner is not told what is parked.
    ParkedForgotten,
}

/// A story of late-comers fails without it.
pub async fn a_sink_without_a_fence_is_found_out(sink: &impl Sink) {
    found_out(a_late_batch_of_a_zombie_changes_nothing(&Mutated(sink, Mutant::Unfenced))).await;
}

/// The offset is there and the rows are not.
pub async fn a_sink_that_moves_the_offset_by_itself_is_found_out(sink: &impl Sink) {
    found_out(events_of_one_key_in_one_batch_apply_in_order(&Mutated(sink, Mutant::OffsetApart))).await;
}

/// The offset is there and the parked records are not.
pub async fn a_sink_that_parks_by_itself_is_found_out(sink: &impl Sink) {
    found_out(a_gap_parks_its_key_and_others_flow(&Mutated(sink, Mutant::ParksApart))).await;
}

/// A live event overtakes what is parked.
pub async fn a_sink_that_forgets_what_is_parked_is_found_out(sink: &impl Sink) {
    found_out(a_parked_key_is_remembered_by_the_next_owner(&Mutated(sink, Mutant::ParkedForgotten))).await;
}

/// What finds the others out finds nothing here, though a commit is cut off all the same.
pub async fn a_sink_that_lacks_nothing_is_not_found_out(sink: &impl Sink) {
    events_of_one_key_in_one_batch_apply_in_order(&Mutated(sink, Mutant::Sound)).await;
}

/// A story ends because something is not what it should be.
async fn found_out(story: impl Future<Output = ()>) {
    let mut story = pin!(story);
    let ended = poll_fn(|context| match catch_unwind(AssertUnwindSafe(|| story.as_mut().poll(context))) {
        Ok(polled) => polled.map(Ok),
        Err(said) => Poll::Ready(Err(said)),
    });
    let said = ended.await.expect_err("the story ends well though its sink lacks something");
    let said = said.downcast_ref::<String>().expect("an assertion says what it expected");
    assert!(said.contains("left == right"), "{said}");
}

/// A sink whose owners lack something.
struct Mutated<'k, K>(&'k K, Mutant);

impl<K: Sink> Sink for Mutated<'_, K> {
    type Store = MutatedStore<K::Store>;

    async fn open(&self) -> Self::Store {
        MutatedStore { sink: self.0.open().await, mutant: self.1, is_cut_off: false }
    }

    async fn rows(&self) -> BTreeMap<RowKey, Row<TallyView>> {
        self.0.rows().await
    }

    async fn feed(&self) -> Vec<RowKey> {
        self.0.feed().await
    }

    async fn totals(&self) -> Option<Totals> {
        self.0.totals().await
    }

    async fn next_offset(&self, topic: &str, partition: i32) -> i64 {
        self.0.next_offset(topic, partition).await
    }

    async fn parked(&self) -> Vec<Parked> {
        self.0.parked().await
    }

    async fn redrive(&self, key: &ParkKey) {
        self.0.redrive(key).await;
    }

    async fn discard_first(&self, key: &ParkKey, foreign: bool) {
        self.0.discard_first(key, foreign).await;
    }

    async fn decisions(&self) -> (usize, usize) {
        self.0.decisions().await
    }
}

struct MutatedStore<S> {
    sink: S,
    mutant: Mutant,
    /// The one commit that is cut off was.
    is_cut_off: bool,
}

impl<S> MutatedStore<S> {
    fn told(&self, mut claims: Vec<Claim>) -> Vec<Claim> {
        if self.mutant == Mutant::ParkedForgotten {
            claims.iter_mut().for_each(|claim| claim.parked_keys.clear());
        }
        claims
    }

    /// Commits in two transactions, the first time only in one.
    async fn apart<P: Projection>(
        &mut self,
        first: Changes<P::View>,
        second: Changes<P::View>,
    ) -> Result<Committed, FlakyError<S::Error>>
    where
        S: ViewStore<P>,
    {
        let committed = self.sink.commit(&first).await?;
        if !std::mem::replace(&mut self.is_cut_off, true) {
            return Err(FlakyError::Lost);
        }
        self.sink.commit(&second).await?;
        Ok(committed)
    }
}

/// Progress that was made already.
fn made(progress: &[Progress]) -> Vec<Progress> {
    progress.iter().map(|it| Progress { from: it.next_offset, ..*it }).collect()
}

impl<S: ViewStore<Tally>> ViewStore<Tally> for MutatedStore<S> {
    type Error = FlakyError<S::Error>;

    async fn claim(&mut self, topic: &str, partitions: &[i32]) -> Result<Vec<Claim>, Self::Error> {
        let claims = self.sink.claim(topic, partitions).await?;
        Ok(self.told(claims))
    }

    async fn renew(&mut self, topic: &str, held: &[Tenure]) -> Result<Vec<Claim>, Self::Error> {
        let claims = self.sink.renew(topic, held).await?;
        Ok(self.told(claims))
    }

    async fn load(&mut self, keys: &[(i32, RowKey)]) -> Result<Vec<Loaded<TallyView>>, Self::Error> {
        Ok(self.sink.load(keys).await?)
    }

    async fn commit(&mut self, changes: &Changes<TallyView>) -> Result<Committed, Self::Error> {
        let (mut first, mut second) = (changes.clone(), changes.clone());
        match self.mutant {
            Mutant::ParkedForgotten => Ok(self.sink.commit(changes).await?),
            Mutant::Sound if std::mem::replace(&mut self.is_cut_off, true) => {
                Ok(self.sink.commit(changes).await?)
            }
            Mutant::Sound => Err(FlakyError::Lost),
            Mutant::Unfenced => {
                let fenced = self.sink.commit(changes).await?.fenced;
                for claim in self.sink.claim(&changes.topic, &fenced).await? {
                    second.progress.retain(|it| it.partition == claim.partition);
                    second.progress.iter_mut().for_each(|it| it.epoch = claim.epoch);
                    self.sink.commit(&second).await?;
                }
                Ok(Committed::default())
            }
            Mutant::OffsetApart => {
                (first.rows, first.parks) = (Vec::new(), Vec::new());
                second.progress = made(&changes.progress);
                self.apart(first, second).await
            }
            Mutant::ParksApart => {
                first.parks = Vec::new();
                (second.rows, second.progress) = (Vec::new(), made(&changes.progress));
                self.apart(first, second).await
            }
        }
    }

    async fn inspect(&mut self, topic: &str, held: &[Tenure]) -> Result<Vec<i32>, Self::Error> {
        Ok(self.sink.inspect(topic, held).await?)
    }

    async fn requests(&mut self, topic: &str, partitions: &[i32]) -> Result<Vec<Request>, Self::Error> {
        Ok(self.sink.requests(topic, partitions).await?)
    }

    async fn parked(
        &mut self,
        topic: &str,
        partition: i32,
        key: &ParkKey,
        limit: usize,
    ) -> Result<Vec<ParkedRecord>, Self::Error> {
        Ok(self.sink.parked(topic, partition, key, limit).await?)
    }
}
