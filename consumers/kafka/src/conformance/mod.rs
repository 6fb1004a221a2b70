//! What every sink has to hold, told as tests that each sink's test program runs against its own real server.
//!
//! A sink implements [`Sink`] for its tests and calls [`sink_conformance!`](crate::sink_conformance). The stories run
//! the real lane over a topic in memory, so that the order of records, hand-overs and crashes is the test's to choose;
//! the broker's part is tested with a broker, elsewhere.

mod feed;
mod fence;
mod flaky;
mod history;
mod mutants;
mod parking;
mod rig;
mod stories;
mod tally;

use std::collections::BTreeMap;
use std::future::Future;
use std::time::{Duration, Instant};

use projection::Row;

pub use self::feed::{
    a_key_that_is_redriven_or_discarded_is_in_the_feed,
    what_is_committed_is_in_the_feed_and_what_is_not_is_not,
    what_is_committed_is_in_the_feed_though_its_answer_is_lost,
};
pub use self::fence::{
    a_claim_tells_what_was_read_last, a_late_batch_of_a_zombie_changes_nothing,
    a_lost_partition_does_not_hold_up_the_others, a_renewal_keeps_what_is_ours_and_no_more,
    an_offset_that_is_elsewhere_is_refused,
};
pub use self::flaky::Flaky;
pub use self::history::History;
pub use self::mutants::{
    a_sink_that_forgets_what_is_parked_is_found_out, a_sink_that_lacks_nothing_is_not_found_out,
    a_sink_that_moves_the_offset_by_itself_is_found_out, a_sink_that_parks_by_itself_is_found_out,
    a_sink_without_a_fence_is_found_out,
};
pub use self::parking::{
    a_discard_moves_the_version_without_effect, a_foreign_record_is_discarded_without_moving_a_version,
    a_gap_parks_its_key_and_others_flow, a_large_share_of_failures_stops_the_partition,
    a_missing_version_that_comes_late_heals_the_gap, a_parked_key_is_remembered_by_the_next_owner,
    a_parked_key_keeps_its_order, a_redrive_keeps_order_while_live_events_arrive,
    a_redrive_stops_at_the_event_that_fails, a_redrive_survives_a_change_of_owner,
    a_redrive_survives_the_death_of_its_owner, failures_in_a_row_stop_the_partition,
    the_bound_of_one_tenants_parked_keys_stops_the_partition,
    the_bound_of_one_tenants_parked_records_stops_the_partition,
    the_bound_of_parked_keys_stops_the_partition, what_was_told_to_be_refused_is_applied_once_it_is_allowed,
};
pub use self::rig::{Rig, Topic, settings};
pub use self::stories::{
    a_deleted_row_is_not_raised_by_a_duplicate, a_successor_goes_on_where_a_crashed_owner_got_to,
    duplicates_at_new_offsets_change_nothing, events_of_one_key_in_one_batch_apply_in_order,
    outcomes_that_are_not_known_are_neither_repeated_nor_skipped,
};
pub use self::tally::{DONE_TOKENS, Tally, TallyView, Totals};

use crate::parking::ParkKey;
use crate::store::{RowKey, ViewStore};

/// How long a story waits for anything.
const BOUND: Duration = Duration::from_secs(20);

/// A sink of [`Tally`] for one test: a server's corner of its own.
pub trait Sink: Send + Sync {
    /// What is tested.
    type Store: ViewStore<Tally>;

    /// Another owner: as if another process opened the same sink.
    fn open(&self) -> impl Future<Output = Self::Store> + Send;

    /// Every row there is.
    fn rows(&self) -> impl Future<Output = BTreeMap<RowKey, Row<TallyView>>> + Send;

    /// The rows that the feed tells of, in its order, each as often as it does.
    fn feed(&self) -> impl Future<Output = Vec<RowKey>> + Send;

    /// The totals that readers see, where the sink keeps any; groups that are all zero may be left out.
    fn totals(&self) -> impl Future<Output = Option<Totals>> + Send;

    /// The first offset that is not applied.
    fn next_offset(&self, topic: &str, partition: i32) -> impl Future<Output = i64> + Send;

    /// What is parked: key, state, reason, and the offsets in redrive order.
    fn parked(&self) -> impl Future<Output = Vec<Parked>> + Send;

    /// Asks for a redrive, as an operator.
    fn redrive(&self, key: &ParkKey) -> impl Future<Output = ()> + Send;

    /// Asks to discard the first parked record of a key, as an operator.
    fn discard_first(&self, key: &ParkKey, foreign: bool) -> impl Future<Output = ()> + Send;

    /// How many decisions are written down: of versions, and of foreign records.
    fn decisions(&self) -> impl Future<Output = (usize, usize)> + Send;
}

/// A parked key as an operator sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parked {
    /// The key.
    pub key: ParkKey,
    /// `parked`, or what is asked for.
    pub state: String,
    /// Why, in one word.
    pub reason: String,
    /// Its records, in the order in which they apply.
    pub offsets: Vec<i64>,
}

/// Waits until a condition holds.
///
/// # Panics
/// When it does not within the bound.
pub(crate) async fn until(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + BOUND;
    while !condition().await {
        assert!(Instant::now() < deadline, "not within {BOUND:?}: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Declares one test per promise; `$sink` is an expression that makes a fresh [`Sink`], and may await.
#[macro_export]
macro_rules! sink_conformance {
    ($sink:expr) => {
        $crate::sink_conformance! { @each $sink =>
            a_late_batch_of_a_zombie_changes_nothing
            a_lost_partition_does_not_hold_up_the_others
            a_renewal_keeps_what_is_ours_and_no_more
            an_offset_that_is_elsewhere_is_refused
            a_claim_tells_what_was_read_last
            events_of_one_key_in_one_batch_apply_in_order
            duplicates_at_new_offsets_change_nothing
            a_deleted_row_is_not_raised_by_a_duplicate
            a_successor_goes_on_where_a_crashed_owner_got_to
            outcomes_that_are_not_known_are_neither_repeated_nor_skipped
            a_gap_parks_its_key_and_others_flow
            a_missing_version_that_comes_late_heals_the_gap
            a_parked_key_keeps_its_order
            a_parked_key_is_remembered_by_the_next_owner
            a_redrive_keeps_order_while_live_events_arrive
            a_redrive_stops_at_the_event_that_fails
            a_redrive_survives_the_death_of_its_owner
            a_redrive_survives_a_change_of_owner
            a_discard_moves_the_version_without_effect
            a_foreign_record_is_discarded_without_moving_a_version
            what_was_told_to_be_refused_is_applied_once_it_is_allowed
            the_bound_of_parked_keys_stops_the_partition
            the_bound_of_one_tenants_parked_keys_stops_the_partition
            the_bound_of_one_tenants_parked_records_stops_the_partition
            failures_in_a_row_stop_the_partition
            a_large_share_of_failures_stops_the_partition
            what_is_committed_is_in_the_feed_and_what_is_not_is_not
            what_is_committed_is_in_the_feed_though_its_answer_is_lost
            a_key_that_is_redriven_or_discarded_is_in_the_feed
            a_sink_without_a_fence_is_found_out
            a_sink_that_moves_the_offset_by_itself_is_found_out
            a_sink_that_parks_by_itself_is_found_out
            a_sink_that_forgets_what_is_parked_is_found_out
            a_sink_that_lacks_nothing_is_not_found_out
        }
    };
    (@each $sink:expr => $($story:ident)*) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $story() {
                let sink = $sink;
                $crate::conformance::$story(&sink).await;
            }
        )*
    };
}
