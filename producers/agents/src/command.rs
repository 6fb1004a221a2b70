//! What somebody wants to happen to an execution.

use events::execution::{
    ExecutionCancelled, ExecutionCompleted, ExecutionFailed, ExecutionJudged, ExecutionStarted, ModelCalled,
    ToolUsed, Verdict,
};
use events::{ExecutionId, NanoUsd, PromptId, Timestamp, WorkflowId};

/// Declares the closed set of commands, each beside the event it leads to when the rules agree.
macro_rules! commands {
    (
        $(#[$set_doc:meta])* $set:ident;
        $($(#[$doc:meta])* $command:ident as $variant:ident => $event:ident {
            $($field:ident: $type:ty,)*
        })+
    ) => {
        $(#[$set_doc])*
        #[derive(Debug, Clone, PartialEq)]
        pub enum $set {
            $(#[doc = concat!("See [`", stringify!($command), "`].")] $variant($command),)+
        }

        impl $set {
            /// Whose command this is.
            pub fn execution_id(&self) -> ExecutionId {
                match self {
                    $(Self::$variant(command) => command.execution_id,)+
                }
            }

            /// When what it tells of happened.
            pub fn occurred_at(&self) -> Timestamp {
                match self {
                    $(Self::$variant(command) => command.occurred_at,)+
                }
            }
        }

        $(
            $(#[$doc])*
            #[derive(Debug, Clone, PartialEq)]
            pub struct $command {
                #[doc = concat!("See [`", stringify!($event), "::execution_id`].")]
                pub execution_id: ExecutionId,
                #[doc = concat!("See [`", stringify!($event), "::occurred_at`].")]
                pub occurred_at: Timestamp,
                $(
                    #[doc = concat!("See [`", stringify!($event), "::", stringify!($field), "`].")]
                    pub $field: $type,
                )*
            }

            impl From<$command> for $set {
                fn from(command: $command) -> Self {
                    Self::$variant(command)
                }
            }

            impl From<$command> for $event {
                fn from($command { execution_id, occurred_at, $($field,)* }: $command) -> Self {
                    Self { execution_id, occurred_at, $($field,)* }
                }
            }
        )+
    };
}

commands! {
    /// Everything that can be asked of an execution.
    ExecutionCommand;

    /// Set an agent to work. Asking twice with the same content changes nothing.
    StartExecution as Start => ExecutionStarted {
        workflow_id: Option<WorkflowId>,
        task: String,
        repository: String,
        model: String,
        agent: String,
        prompt_id: Option<PromptId>,
        prompt_version: Option<i32>,
        step_limit: Option<i32>,
        cost_limit: Option<NanoUsd>,
        requested_by: Option<String>,
    }

    /// Note an answer of the model. Its step is its identity: the last one with the same content changes nothing.
    RecordModelCall as RecordModelCall => ModelCalled {
        step: i32,
        prompt_tokens: i64,
        completion_tokens: i64,
        reasoning_tokens: i64,
        cached_tokens: i64,
        latency_us: Option<i64>,
        cost: Option<NanoUsd>,
        thought_bytes: i64,
    }

    /// Note a tool that ran for the last model call. A call may ask for several, so each is a fact of its own.
    RecordToolUse as RecordToolUse => ToolUsed {
        step: i32,
        tool: Option<String>,
        exit_code: Option<i32>,
        output_bytes: i64,
    }

    /// Hand in the work.
    CompleteExecution as Complete => ExecutionCompleted {
        exit_status: String,
        patch_bytes: i64,
        api_calls: i32,
        reported_cost: Option<NanoUsd>,
    }

    /// Say that the run broke off.
    FailExecution as Fail => ExecutionFailed {
        error_class: String,
        message: String,
    }

    /// Stop the run.
    CancelExecution as Cancel => ExecutionCancelled {
        reason: String,
        cancelled_by: Option<String>,
    }

    /// Judge completed work.
    JudgeExecution as Judge => ExecutionJudged {
        judge: String,
        verdict: Verdict,
    }
}
