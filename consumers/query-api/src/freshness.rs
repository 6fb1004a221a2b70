//! How fresh the views are, looked at a few times a second for all requests.

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use projection_postgres::{Freshness, Readers};
use serde::Serialize;
use tokio::sync::watch::{self, Receiver};
use tokio_util::sync::CancellationToken;

use crate::View;

/// Between two looks. What is answered is at most so much less fresh than it could say.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// How long a look may take.
const LOOK_MAX: Duration = Duration::from_secs(2);

/// What was seen of all projections, and whether it could be seen.
#[derive(Debug, Clone)]
pub struct Watch(Receiver<Seen>);

#[derive(Debug)]
struct Seen {
    projections: HashMap<String, Freshness>,
    trouble: Option<String>,
}

/// Of when an answer is.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct AsOf {
    /// Everything that was in the topic at this moment is in the view, or parked; `None` while that is not known.
    pub(crate) as_of: Option<String>,
    /// How long ago that was.
    pub(crate) lag_seconds: Option<f64>,
    /// The first offset of each partition of the topic that may not be in the view.
    pub(crate) position: BTreeMap<i32, i64>,
}

/// Looks until `stop`.
pub fn watch(readers: Readers, stop: CancellationToken) -> Watch {
    let never = Seen {
        projections: HashMap::new(),
        trouble: Some("the views' database was not asked yet".to_owned()),
    };
    let (tell, told) = watch::channel(never);
    tokio::spawn(async move {
        loop {
            let looked = tokio::time::timeout(LOOK_MAX, readers.freshness()).await;
            tell.send_modify(|seen| match looked {
                Ok(Ok(found)) => {
                    seen.projections = found.into_iter().map(|it| (it.projection.clone(), it)).collect();
                    seen.trouble = None;
                }
                Ok(Err(error)) => {
                    seen.trouble = Some(format!("the views' database does not answer: {error}"))
                }
                Err(_) => seen.trouble = Some("the views' database does not answer in time".to_owned()),
            });
            tokio::select! {
                () = tokio::time::sleep(LOOK_EVERY) => (),
                () = stop.cancelled() => break,
            }
        }
    });
    Watch(told)
}

impl Watch {
    /// Whether views can be read just now, and if not, why not.
    ///
    /// # Errors
    /// With the reason.
    pub fn ready(&self) -> Result<(), String> {
        self.0.borrow().trouble.clone().map_or(Ok(()), Err)
    }

    /// Of when an answer of this view is that is read from now on.
    pub(crate) fn of(&self, view: &View) -> AsOf {
        let seen = self.0.borrow();
        let Some(Freshness { as_of, position, .. }) = seen.projections.get(view.projection) else {
            return AsOf { as_of: None, lag_seconds: None, position: BTreeMap::new() };
        };
        // A partition that nobody has spoken of may have anything.
        let as_of = as_of.filter(|_| position.len() >= view.partitions);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_micros();
        let now = i64::try_from(now).unwrap_or(i64::MAX);
        let lag_seconds = as_of.map(|at| now.saturating_sub(at.micros()).max(0) as f64 / 1e6);
        AsOf { as_of: as_of.map(|at| at.to_string()), lag_seconds, position: position.clone() }
    }
}
