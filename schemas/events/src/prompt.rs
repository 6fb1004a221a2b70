//! A prompt: what an agent is told, version by version, and which of them holds.

mod versions;

use serde::{Deserialize, Serialize};

pub use versions::{PromptVersionAddedV1, PromptVersionAddedV2};

use crate::{AgentRole, PromptId, Timestamp, event_set};

/// A prompt came to be, still without a version. Always the first event of a prompt.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PromptCreated {
    /// The prompt.
    pub prompt_id: PromptId,
    /// When it came to be.
    pub occurred_at: Timestamp,
    /// What people call it.
    pub name: String,
    /// The kind of agent it is written for.
    pub role: AgentRole,
    /// What it is for; may be empty.
    pub description: String,
    /// The person who created it; absent when a program did. Personal.
    pub created_by: Option<String>,
}

/// The prompt got another version. A version is never changed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PromptVersionAdded {
    /// The prompt.
    pub prompt_id: PromptId,
    /// When it was added.
    pub occurred_at: Timestamp,
    /// Which version this is, from 1 without a gap.
    pub prompt_version: i32,
    /// The prompt itself, with its placeholders; it names no person.
    pub text: String,
    /// Who runs the model it was written for; absent when not said.
    pub model_provider: Option<String>,
    /// The model it was written for, without its provider; absent when for any.
    pub model_name: Option<String>,
    /// How freely the model may answer, in thousandths; absent when the model's own default holds.
    pub temperature_milli: Option<i32>,
    /// What is new in it, in the words of whoever wrote it; it may name people. Personal.
    pub note: Option<String>,
    /// The person who wrote it; absent when a program did. Personal.
    pub added_by: Option<String>,
}

/// A version became the one that agents follow, in place of any other.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PromptActivated {
    /// The prompt.
    pub prompt_id: PromptId,
    /// When it became that.
    pub occurred_at: Timestamp,
    /// Which version.
    pub prompt_version: i32,
}

/// No version is to be followed any more.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PromptDeactivated {
    /// The prompt.
    pub prompt_id: PromptId,
    /// When that was said.
    pub occurred_at: Timestamp,
    /// The version that was active until then.
    pub prompt_version: i32,
    /// Why, in the words of whoever said so; it may name people. Personal.
    pub reason: String,
}

/// People call it something else now.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PromptRenamed {
    /// The prompt.
    pub prompt_id: PromptId,
    /// When it was renamed.
    pub occurred_at: Timestamp,
    /// What people call it.
    pub name: String,
}

/// What it is for was said anew.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PromptDescribed {
    /// The prompt.
    pub prompt_id: PromptId,
    /// When it was said.
    pub occurred_at: Timestamp,
    /// What it is for; may be empty.
    pub description: String,
}

/// It is history: no version is added or followed any more.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PromptRetired {
    /// The prompt.
    pub prompt_id: PromptId,
    /// When it was retired.
    pub occurred_at: Timestamp,
    /// Why, in the words of whoever did it; it may name people. Personal.
    pub reason: String,
}

/// The prompt was taken back as a whole: it counts no more, and may be created anew.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PromptWithdrawn {
    /// The prompt.
    pub prompt_id: PromptId,
    /// When it was taken back.
    pub occurred_at: Timestamp,
    /// Why, in words that name nobody.
    pub reason: String,
}

event_set! {
    /// Everything that can happen to a prompt.
    PromptEvent, topic "agents.prompt.events", aggregate "prompt", id prompt_id,
    withdrawn PromptWithdrawn, schemas "../avro";
    Created(PromptCreated) version 1 personal created_by;
    VersionAdded(PromptVersionAdded) version 3 after 1 2 lifting 1 PromptVersionAddedV1 2 PromptVersionAddedV2
        personal note added_by;
    Activated(PromptActivated) version 1;
    Deactivated(PromptDeactivated) version 1 personal reason;
    Renamed(PromptRenamed) version 1;
    Described(PromptDescribed) version 1;
    Retired(PromptRetired) version 1 personal reason;
    Withdrawn(PromptWithdrawn) version 1;
}
