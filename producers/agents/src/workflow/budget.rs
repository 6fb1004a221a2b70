//! Money: reserved before it is spent, settled or given back after.

use std::collections::BTreeMap;

use events::workflow::{BudgetReleased, BudgetReserved, BudgetSettled};
use events::{ExecutionId, NanoUsd, Timestamp};
use serde::{Deserialize, Serialize};

use super::Rejection;

/// Executions that money can be set aside for in one workflow: more than all its steps can need.
pub const RESERVATIONS_MAX: usize = 1_000;

/// What was set aside for whom, and what became of it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Budget {
    accounts: BTreeMap<ExecutionId, Account>,
}

/// The money of one execution.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Account {
    /// What was set aside.
    pub reserved: BudgetReserved,
    /// What became of it; nothing yet while it is open.
    pub closed: Option<Closed>,
}

/// What became of money that was set aside.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub enum Closed {
    /// It is known what was spent.
    Settled {
        /// When.
        at: Timestamp,
        /// How much.
        spent: NanoUsd,
    },
    /// Nothing was spent.
    Released {
        /// When that was said; why is in the event.
        at: Timestamp,
    },
}

impl From<&BudgetSettled> for Closed {
    fn from(it: &BudgetSettled) -> Self {
        Self::Settled { at: it.occurred_at, spent: it.spent }
    }
}

impl From<&BudgetReleased> for Closed {
    fn from(it: &BudgetReleased) -> Self {
        Self::Released { at: it.occurred_at }
    }
}

impl Account {
    /// What it takes of the budget: what is set aside, and once that is known, what was spent.
    pub fn taken(&self) -> NanoUsd {
        match self.closed {
            None => self.reserved.amount,
            Some(Closed::Settled { spent, .. }) => spent,
            Some(Closed::Released { .. }) => NanoUsd::ZERO,
        }
    }
}

impl Budget {
    /// What all executions take of it.
    pub fn taken(&self) -> NanoUsd {
        self.accounts.values().map(Account::taken).sum()
    }

    /// Whether the execution has money that it may spend.
    pub fn is_open(&self, execution_id: ExecutionId) -> bool {
        self.accounts.get(&execution_id).is_some_and(|account| account.closed.is_none())
    }

    /// Whether `reserved` is new; a repeated one is not, another one is refused.
    pub(super) fn judge_reservation(
        &self,
        limit: Option<NanoUsd>,
        reserved: &BudgetReserved,
    ) -> Result<bool, Rejection> {
        let execution_id = reserved.execution_id;
        match self.accounts.get(&execution_id) {
            Some(account) if account.reserved == *reserved => return Ok(false),
            Some(_) => return Err(Rejection::OtherReservation { execution_id }),
            None if self.accounts.len() >= RESERVATIONS_MAX => {
                return Err(Rejection::TooManyReservations { max: RESERVATIONS_MAX });
            }
            None => {}
        }
        match limit.map(|limit| limit - self.taken()) {
            Some(free) if reserved.amount > free => {
                Err(Rejection::BudgetExceeded { free, asked: reserved.amount })
            }
            _ => Ok(true),
        }
    }

    /// Whether `closed` is new; a repeated one is not, another one is refused.
    pub(super) fn judge_closing(&self, execution_id: ExecutionId, closed: Closed) -> Result<bool, Rejection> {
        match self.accounts.get(&execution_id).map(|account| account.closed) {
            None => Err(Rejection::NothingReserved { execution_id }),
            Some(None) => Ok(true),
            Some(Some(known)) if known == closed => Ok(false),
            Some(Some(_)) => Err(Rejection::OtherReservation { execution_id }),
        }
    }

    pub(super) fn reserve(&mut self, reserved: &BudgetReserved) {
        let account = Account { reserved: reserved.clone(), closed: None };
        self.accounts.insert(reserved.execution_id, account);
    }

    /// An account that was never opened has nothing to close.
    pub(super) fn close(&mut self, execution_id: ExecutionId, closed: Closed) {
        if let Some(account) = self.accounts.get_mut(&execution_id) {
            account.closed = Some(closed);
        }
    }
}
