//! Money: reserved before it is spent, settled or given back after.

use std::collections::BTreeMap;

use events::workflow::{BudgetReleased, BudgetReserved, BudgetSettled};
use events::{ExecutionId, NanoUsd};
use serde::{Deserialize, Serialize};

use super::Rejection;

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
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Closed {
    /// It is known what was spent.
    Settled(BudgetSettled),
    /// Nothing was spent.
    Released(BudgetReleased),
}

impl Closed {
    fn execution_id(&self) -> ExecutionId {
        match self {
            Self::Settled(it) => it.execution_id,
            Self::Released(it) => it.execution_id,
        }
    }
}

impl Account {
    /// What it takes of the budget: what is set aside, and once that is known, what was spent.
    pub fn taken(&self) -> NanoUsd {
        match &self.closed {
            None => self.reserved.amount,
            Some(Closed::Settled(settled)) => settled.spent,
            Some(Closed::Released(_)) => NanoUsd::ZERO,
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
    pub(super) fn judge_closing(&self, closed: &Closed) -> Result<bool, Rejection> {
        let execution_id = closed.execution_id();
        match self.accounts.get(&execution_id).map(|account| &account.closed) {
            None => Err(Rejection::NothingReserved { execution_id }),
            Some(None) => Ok(true),
            Some(Some(known)) if known == closed => Ok(false),
            Some(Some(_)) => Err(Rejection::OtherReservation { execution_id }),
        }
    }

    pub(super) fn reserve(&mut self, reserved: &BudgetReserved) {
        let account = Account { reserved: reserved.clone(), closed: None };
        self.accounts.entry(reserved.execution_id).or_insert(account);
    }

    pub(super) fn close(&mut self, closed: Closed) {
        if let Some(account) = self.accounts.get_mut(&closed.execution_id()) {
            account.closed.get_or_insert(closed);
        }
    }
}
