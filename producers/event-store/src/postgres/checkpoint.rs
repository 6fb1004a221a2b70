//! How far a follower has come, kept beside its effect in the events' database.

use std::collections::HashMap;

use sqlx::PgConnection;

use super::faults::Doing;
use super::row::natural;
use crate::StoreError;

/// The checkpoints of one follower, for effects that are written to the events' database as the role `app`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    name: String,
}

/// Somebody else follows under the same name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "the checkpoint of {name:?}, lane {lane}, is no longer at {expected}: another one follows under this name"
)]
pub struct CheckpointMoved {
    /// Who follows.
    pub name: String,
    /// Which lane.
    pub lane: u16,
    /// Where this follower left it.
    pub expected: u64,
}

impl Checkpoint {
    /// The checkpoints of the follower of this name.
    pub fn of(name: impl Into<String>) -> Self {
        Self { name: name.into() }
    }

    /// Where each lane stands; a lane that is absent stands at 0.
    pub async fn positions(&self, app: &mut PgConnection) -> Result<HashMap<u16, u64>, StoreError> {
        let rows: Vec<(i16, i64)> =
            sqlx::query_as(include_str!("../../queries/subscription_checkpoint_list.sql"))
                .bind(&self.name)
                .fetch_all(app)
                .await
                .doing("read a follower's checkpoint")?;
        Ok(rows.into_iter().map(|(lane, position)| (lane.unsigned_abs(), natural(position))).collect())
    }

    /// Moves a lane's checkpoint within the transaction that writes the effect. `Ok(Err(_))`: the caller's knowledge is
    /// stale, and its transaction must be rolled back.
    pub async fn move_within(
        &self,
        transaction: &mut PgConnection,
        lane: u16,
        from: u64,
        to: u64,
    ) -> Result<Result<(), CheckpointMoved>, StoreError> {
        let position = |position: u64| i64::try_from(position).unwrap_or(i64::MAX);
        let moved: bool = sqlx::query_scalar(include_str!("../../queries/subscription_checkpoint_move.sql"))
            .bind(&self.name)
            .bind(i16::try_from(lane).unwrap_or(i16::MAX))
            .bind(position(from))
            .bind(position(to))
            .fetch_one(transaction)
            .await
            .doing("move a follower's checkpoint")?;
        let moved_by_another = || CheckpointMoved { name: self.name.clone(), lane, expected: from };
        Ok(if moved { Ok(()) } else { Err(moved_by_another()) })
    }

    /// Forgets all lanes, so that the follower begins anew.
    pub async fn drop(&self, app: &mut PgConnection) -> Result<u64, StoreError> {
        sqlx::query_scalar(include_str!("../../queries/subscription_checkpoint_drop.sql"))
            .bind(&self.name)
            .fetch_one(app)
            .await
            .map(natural)
            .doing("drop a follower's checkpoint")
    }
}
