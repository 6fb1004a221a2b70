//! A sink whose answers get lost.

use projection::Projection;

use crate::changes::Changes;
use crate::fault::{Classify, Fault};
use crate::parking::{ParkKey, ParkedRecord, Request};
use crate::store::{Claim, Committed, Loaded, RowKey, Tenure, ViewStore};

/// Passes everything on; of every three commits, the answer of one is lost after it was applied, one is lost before,
/// and one arrives. Renewals fail every other time.
#[derive(Debug)]
pub struct Flaky<S> {
    sink: S,
    commits: u64,
    renewals: u64,
}

impl<S> Flaky<S> {
    /// Over a real sink.
    pub fn new(sink: S) -> Self {
        Self { sink, commits: 0, renewals: 0 }
    }
}

/// Lost on the way, or the sink's own.
#[derive(Debug, thiserror::Error)]
pub enum FlakyError<E: std::error::Error> {
    /// The cable was cut.
    #[error("the answer was lost")]
    Lost,
    /// The sink's own error.
    #[error(transparent)]
    Sink(#[from] E),
}

impl<E: Classify> Classify for FlakyError<E> {
    fn fault(&self) -> Fault {
        match self {
            Self::Lost => Fault::Transient,
            Self::Sink(error) => error.fault(),
        }
    }
}

impl<P: Projection, S: ViewStore<P>> ViewStore<P> for Flaky<S> {
    type Error = FlakyError<S::Error>;

    async fn claim(&mut self, topic: &str, partitions: &[i32]) -> Result<Vec<Claim>, Self::Error> {
        Ok(self.sink.claim(topic, partitions).await?)
    }

    async fn renew(&mut self, topic: &str, held: &[Tenure]) -> Result<Vec<Claim>, Self::Error> {
        self.renewals += 1;
        if self.renewals % 2 == 1 { Err(FlakyError::Lost) } else { Ok(self.sink.renew(topic, held).await?) }
    }

    async fn load(&mut self, keys: &[(i32, RowKey)]) -> Result<Vec<Loaded<P::View>>, Self::Error> {
        Ok(self.sink.load(keys).await?)
    }

    async fn commit(&mut self, changes: &Changes<P::View>) -> Result<Committed, Self::Error> {
        self.commits += 1;
        match self.commits % 3 {
            1 => {
                self.sink.commit(changes).await?;
                Err(FlakyError::Lost)
            }
            2 => Err(FlakyError::Lost),
            _ => Ok(self.sink.commit(changes).await?),
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
