//! What a workflow that has started remembers, and what may come next.

use std::collections::BTreeMap;

use events::workflow::{
    BudgetReleased, BudgetReserved, BudgetSettled, PlanDrafted, RevisionRequested, StepAssigned, StepFailed,
    WorkApproved, WorkRejected, WorkSubmitted, WorkflowCancelled, WorkflowCompleted, WorkflowFailed,
    WorkflowStarted,
};
use events::{AgentRole, ExecutionId, WorkflowEvent};
use serde::{Deserialize, Serialize};

use super::budget::{Budget, Closed};
use super::step::{Done, Outcome, Phase, Step};
use super::{Rejection, RequestRevision, WorkflowCommand, happened, unless_known};

/// How often the critic may be allowed to send the work back.
pub const REVISION_LIMIT_MAX: i32 = 20;

/// How many executions a step can be given to, one after the other broke off. With the limit of revisions it bounds the
/// steps of a workflow, and so its state.
pub const ATTEMPTS_MAX: usize = 10;

/// How far a workflow has come.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Work {
    /// What was asked for.
    pub started: WorkflowStarted,
    /// Where it stands.
    pub phase: Phase,
    /// The revision in hand; 0 is the first.
    pub revision: i32,
    /// Every step that was given, by the execution that has or had it.
    pub steps: BTreeMap<ExecutionId, Step>,
    /// The money.
    pub budget: Budget,
}

impl Work {
    pub(super) fn new(started: &WorkflowStarted) -> Self {
        Self {
            started: started.clone(),
            phase: Phase::Planning,
            revision: 0,
            steps: BTreeMap::new(),
            budget: Budget::default(),
        }
    }

    /// The step that is being done.
    pub fn open_step(&self) -> Option<&Step> {
        self.steps.values().find(|step| step.done.is_none())
    }

    /// Whether `assigned` is new; a repeated one is not, one that does not fit is refused.
    fn judge_assignment(&self, assigned: &StepAssigned) -> Result<bool, Rejection> {
        let StepAssigned { execution_id, role, revision, .. } = *assigned;
        match self.steps.get(&execution_id) {
            Some(step) if step.assigned == *assigned => return Ok(false),
            Some(Step { done: Some(_), .. }) => return Err(Rejection::StepDone { execution_id }),
            Some(Step { done: None, .. }) => return Err(Rejection::StepTaken { execution_id }),
            None => {}
        }
        if let Some(open) = self.open_step() {
            return Err(Rejection::StepTaken { execution_id: open.assigned.execution_id });
        }
        if self.phase.role() != Some(role) {
            return Err(Rejection::RoleOutOfOrder { phase: self.phase, found: role });
        }
        if revision != self.revision {
            return Err(Rejection::RevisionOutOfOrder { expected: self.revision, found: revision });
        }
        let attempts = self.steps.values().map(|step| &step.assigned);
        if attempts.filter(|it| (it.role, it.revision) == (role, revision)).count() >= ATTEMPTS_MAX {
            return Err(Rejection::TooManyAttempts { max: ATTEMPTS_MAX });
        }
        if self.started.budget.is_some() && !self.budget.is_open(execution_id) {
            return Err(Rejection::NothingReserved { execution_id });
        }
        Ok(true)
    }

    /// Whether `done` is new; a repeated one is not, one that nobody was asked for is refused.
    fn judge_outcome(&self, done: &Done) -> Result<bool, Rejection> {
        let execution_id = done.execution_id;
        let Some(step) = self.steps.get(&execution_id) else {
            return Err(Rejection::NotAssigned { execution_id });
        };
        match &step.done {
            Some(known) if known == done => return Ok(false),
            Some(_) => return Err(Rejection::StepDone { execution_id }),
            None => {}
        }
        match done.outcome.role() {
            Some(found) if found != step.assigned.role => {
                return Err(Rejection::RoleOutOfOrder { phase: self.phase, found });
            }
            _ => {}
        }
        match done.outcome.revision() {
            Some(found) if found != self.revision => {
                Err(Rejection::RevisionOutOfOrder { expected: self.revision, found })
            }
            _ => Ok(true),
        }
    }

    /// What `command` leads to while the workflow is under way.
    pub(super) fn decide(&self, command: WorkflowCommand) -> Result<Vec<WorkflowEvent>, Rejection> {
        match command {
            WorkflowCommand::StartWorkflow(start) if self.started == start.clone().into() => Ok(vec![]),
            WorkflowCommand::StartWorkflow(_) => Err(Rejection::AlreadyStarted),
            WorkflowCommand::ReserveBudget(reserve) => {
                let reserved = BudgetReserved::from(reserve);
                let is_new = self.budget.judge_reservation(self.started.budget, &reserved)?;
                unless_known(is_new, reserved)
            }
            WorkflowCommand::AssignStep(assign) => {
                let assigned = StepAssigned::from(assign);
                unless_known(self.judge_assignment(&assigned)?, assigned)
            }
            WorkflowCommand::FailStep(fail) => self.end_step(StepFailed::from(fail)),
            WorkflowCommand::DraftPlan(draft) => self.end_step(PlanDrafted::from(draft)),
            WorkflowCommand::SubmitWork(submit) => self.end_step(WorkSubmitted::from(submit)),
            WorkflowCommand::ApproveWork(approve) => self.end_step(WorkApproved::from(approve)),
            WorkflowCommand::RequestRevision(asked) => self.send_back(asked),
            WorkflowCommand::SettleBudget(settle) => {
                self.unless_at_work(settle.execution_id, self.settle(settle.into()))
            }
            WorkflowCommand::ReleaseBudget(release) => {
                self.unless_at_work(release.execution_id, self.release(release.into()))
            }
            WorkflowCommand::CompleteWorkflow(complete) if self.phase == Phase::Approved => {
                happened([WorkflowCompleted::from(complete).into()])
            }
            WorkflowCommand::CompleteWorkflow(_) => Err(Rejection::NotApproved { phase: self.phase }),
            WorkflowCommand::FailWorkflow(fail) => happened([WorkflowFailed::from(fail).into()]),
            WorkflowCommand::CancelWorkflow(cancel) => happened([WorkflowCancelled::from(cancel).into()]),
        }
    }

    fn end_step<E>(&self, event: E) -> Result<Vec<WorkflowEvent>, Rejection>
    where
        E: Into<WorkflowEvent>,
        for<'a> &'a E: Into<Done>,
    {
        unless_known(self.judge_outcome(&(&event).into())?, event)
    }

    /// What was `decided` of the money of an execution, unless that has a step and may spend more.
    fn unless_at_work(
        &self,
        execution_id: ExecutionId,
        decided: Result<Vec<WorkflowEvent>, Rejection>,
    ) -> Result<Vec<WorkflowEvent>, Rejection> {
        let is_at_work = self.open_step().is_some_and(|open| open.assigned.execution_id == execution_id);
        match decided {
            Ok(events) if is_at_work && !events.is_empty() => Err(Rejection::StillAtWork { execution_id }),
            decided => decided,
        }
    }

    /// The critic is not content: another revision, or the end where no more is allowed.
    fn send_back(&self, asked: RequestRevision) -> Result<Vec<WorkflowEvent>, Rejection> {
        if asked.revision < self.started.revision_limit {
            return self.end_step(RevisionRequested::from(asked));
        }
        let rejected = WorkRejected::from(asked);
        if !self.judge_outcome(&Done::from(&rejected))? {
            return Ok(vec![]);
        }
        let failed = WorkflowFailed {
            workflow_id: rejected.workflow_id,
            occurred_at: rejected.occurred_at,
            error_class: REVISION_LIMIT_REACHED.to_owned(),
            message: String::new(),
        };
        happened([rejected.into(), failed.into()])
    }

    /// What an execution spent is known.
    pub(super) fn settle(&self, settled: BudgetSettled) -> Result<Vec<WorkflowEvent>, Rejection> {
        unless_known(self.budget.judge_closing(settled.execution_id, Closed::from(&settled))?, settled)
    }

    /// An execution spent nothing.
    pub(super) fn release(&self, released: BudgetReleased) -> Result<Vec<WorkflowEvent>, Rejection> {
        unless_known(self.budget.judge_closing(released.execution_id, Closed::from(&released))?, released)
    }

    /// This work after `event`: what happened, whether or not the rules of today would have let it.
    pub(super) fn evolve(mut self, event: &WorkflowEvent) -> Self {
        match event {
            WorkflowEvent::StepAssigned(assigned) => {
                let step = Step { assigned: assigned.clone(), done: None };
                self.steps.insert(assigned.execution_id, step);
            }
            WorkflowEvent::StepFailed(it) => self.done(it.into()),
            WorkflowEvent::PlanDrafted(it) => self.done(it.into()),
            WorkflowEvent::WorkSubmitted(it) => self.done(it.into()),
            WorkflowEvent::RevisionRequested(it) => self.done(it.into()),
            WorkflowEvent::WorkApproved(it) => self.done(it.into()),
            WorkflowEvent::WorkRejected(it) => self.done(it.into()),
            WorkflowEvent::BudgetReserved(reserved) => self.budget.reserve(reserved),
            WorkflowEvent::BudgetSettled(it) => self.budget.close(it.execution_id, it.into()),
            WorkflowEvent::BudgetReleased(it) => self.budget.close(it.execution_id, it.into()),
            // These are the whole workflow's.
            WorkflowEvent::Started(_)
            | WorkflowEvent::Completed(_)
            | WorkflowEvent::Failed(_)
            | WorkflowEvent::Cancelled(_)
            | WorkflowEvent::Withdrawn(_) => {}
        }
        self
    }

    fn done(&mut self, done: Done) {
        self.phase = match done.outcome {
            Outcome::Drafted { .. } | Outcome::SentBack { .. } => Phase::Working,
            Outcome::Submitted { .. } => Phase::Reviewing,
            Outcome::Approved { .. } => Phase::Approved,
            Outcome::Rejected { .. } => Phase::Rejected,
            Outcome::Failed { .. } => self.phase,
        };
        if let Outcome::SentBack { revision } = done.outcome {
            self.revision = revision.saturating_add(1);
        }
        if let Some(step) = self.steps.get_mut(&done.execution_id) {
            step.done = Some(done);
        }
    }

    /// Whose step is next, if nobody has one.
    pub fn next_role(&self) -> Option<AgentRole> {
        self.phase.role().filter(|_| self.open_step().is_none())
    }
}

/// The kind of failure when the critic's last no ends the workflow.
pub const REVISION_LIMIT_REACHED: &str = "RevisionLimitReached";
