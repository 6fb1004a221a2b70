//! The end of a feed, read once for everybody who follows it.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use events::{AggregateId, TenantId};
use projection_postgres::Versioned;
use tokio::sync::Mutex;
use tokio::sync::broadcast::{self, Receiver, Sender};
use tokio::time::Instant;

use super::feed::{Feed, Page, Told};
use crate::documents::Unread;

/// Between two looks whether there is something new.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Between two looks while the feed cannot be read.
const TROUBLE_PAUSE: Duration = Duration::from_secs(1);

/// A tail that has not read for longer lets go of its followers: what it would go on with may be forgotten.
const STALL_MAX: Duration = Duration::from_secs(30);

/// How long a feed says nothing before it is asked whether it is still there.
const SILENCE_MAX: Duration = Duration::from_secs(15);

/// Most rows that are read and told at a time.
pub(super) const ROWS_MAX: usize = 100;

/// How much a follower of one tenant may be behind: so many times as many rows. It is let go of then.
const NEWS_MAX: usize = 32;

/// What changed, with the rows.
#[derive(Debug, Default)]
pub(super) struct News {
    /// The rows as they are now, those that exist.
    pub(super) rows: Vec<(AggregateId, Versioned)>,
    /// Everything is to be read anew, and why.
    pub(super) reset: Option<String>,
    /// Whoever has this has everything up to here. `None`: more of the same place follows.
    pub(super) place: Option<String>,
}

/// The end of one feed, read while somebody follows it.
#[derive(Debug)]
pub(crate) struct Tail {
    pub(super) feed: Arc<dyn Feed>,
    followed: Mutex<Followed>,
}

#[derive(Debug)]
struct Followed {
    /// Up to here everything was told to whoever follows.
    place: String,
    /// Who follows. Nobody: nothing is read.
    tenants: HashMap<TenantId, Sender<Arc<News>>>,
    /// When everything up to the place was last told.
    read_at: Instant,
    /// When there last was something to tell.
    heard_at: Instant,
}

/// What came of a look at the feed.
enum Look {
    Nothing,
    More,
    /// What comes after the place is not there any more, or may not be.
    Gone,
}

impl Followed {
    fn from(place: &str) -> Self {
        let now = Instant::now();
        Self { place: place.to_owned(), tenants: HashMap::new(), read_at: now, heard_at: now }
    }
}

impl Tail {
    pub(crate) fn new(feed: Arc<dyn Feed>) -> Self {
        Self { feed, followed: Mutex::new(Followed::from("")) }
    }

    pub(crate) fn is_place(&self, text: &str) -> bool {
        self.feed.is_place(text)
    }

    pub(crate) async fn newest(&self, tenant: &TenantId) -> Result<Option<String>, Unread> {
        self.feed.newest(tenant).await
    }

    /// What comes after the place that is answered, which is `from` where nobody else follows.
    pub(super) async fn follow(
        self: &Arc<Self>,
        tenant: &TenantId,
        from: &str,
    ) -> (Receiver<Arc<News>>, String) {
        let mut followed = self.followed.lock().await;
        if followed.tenants.is_empty() {
            *followed = Followed::from(from);
            tokio::spawn(Arc::clone(self).read_on());
        }
        let of_tenant = followed.tenants.entry(tenant.clone());
        let news = of_tenant.or_insert_with(|| broadcast::channel(NEWS_MAX).0).subscribe();
        (news, followed.place.clone())
    }

    /// Reads for as long as somebody follows; lets go of everybody when it cannot go on without a gap.
    async fn read_on(self: Arc<Self>) {
        loop {
            let mut followed = self.followed.lock().await;
            followed.tenants.retain(|_, news| news.receiver_count() > 0);
            if followed.tenants.is_empty() {
                return;
            }
            let pause = match self.look(&mut followed).await {
                Ok(Look::Nothing) => LOOK_EVERY,
                Ok(Look::More) => Duration::ZERO,
                Ok(Look::Gone) => return followed.tenants.clear(),
                Err(_) if followed.read_at.elapsed() > STALL_MAX => return followed.tenants.clear(),
                Err(error) => {
                    tracing::warn!(error = &*error, "the feed of a view cannot be read");
                    TROUBLE_PAUSE
                }
            };
            drop(followed);
            tokio::time::sleep(pause).await;
        }
    }

    /// Tells everybody what comes after the place.
    async fn look(&self, followed: &mut Followed) -> Result<Look, Unread> {
        let (now, tenants) = (Instant::now(), followed.tenants.keys().cloned().collect::<Vec<_>>());
        let page = self.feed.read(&tenants, &followed.place, None).await?;
        let is_late = followed.read_at.elapsed() > STALL_MAX;
        let Some(Page { through, is_more, told }) = page.filter(|_| !is_late) else { return Ok(Look::Gone) };
        let is_silent = through.is_none();
        if !is_silent || followed.heard_at.elapsed() > SILENCE_MAX {
            followed.heard_at = now;
            if is_silent && self.feed.newest(&tenants[0]).await?.is_none() {
                return Ok(Look::Gone);
            }
        }
        for (tenant, told) in told {
            let Some(followers) = followed.tenants.get(&tenant) else { continue };
            let mut parts = Parts::of(told);
            while let Some(news) = parts.next(&*self.feed, &tenant).await? {
                // Nobody may be left to hear it.
                drop(followers.send(Arc::new(news)));
            }
        }
        followed.read_at = now;
        if let Some(through) = through {
            followed.place = through;
        }
        Ok(if is_more { Look::More } else { Look::Nothing })
    }
}

/// What a tenant is told, with its rows, part by part.
pub(super) struct Parts {
    ids: Vec<AggregateId>,
    reset: Option<String>,
    place: Option<String>,
}

impl Parts {
    pub(super) fn of(told: Told) -> Self {
        Self { ids: told.ids.into_iter().collect(), reset: told.reset, place: Some(told.place) }
    }

    pub(super) async fn next(&mut self, feed: &dyn Feed, tenant: &TenantId) -> Result<Option<News>, Unread> {
        if self.place.is_none() {
            return Ok(None);
        }
        let ids = self.ids.split_off(self.ids.len().saturating_sub(ROWS_MAX));
        let rows = if ids.is_empty() { Vec::new() } else { feed.rows(tenant, &ids).await? };
        let place = if self.ids.is_empty() { self.place.take() } else { None };
        Ok(Some(News { rows, reset: self.reset.take(), place }))
    }
}
