//! What somebody wants to happen to a prompt.

use events::prompt::{
    PromptActivated, PromptCreated, PromptDeactivated, PromptDescribed, PromptRenamed, PromptRetired,
    PromptVersionAdded,
};
use events::{AgentRole, PromptId};

use crate::commands::commands;

commands! {
    /// Everything that can be asked of a prompt.
    PromptCommand, id prompt_id: PromptId, collection "prompts", examples "examples.json";

    /// Begin a prompt, without a version. Asking twice with the same content changes nothing.
    CreatePrompt => PromptCreated {
        name: String,
        role: AgentRole,
        description: String,
        created_by: Option<String>,
    }

    /// Add the next version. Its number is its identity: the last one with the same content changes nothing.
    AddPromptVersion => PromptVersionAdded {
        prompt_version: i32,
        text: String,
        model_provider: Option<String>,
        model_name: Option<String>,
        temperature_milli: Option<i32>,
        note: Option<String>,
        added_by: Option<String>,
    }

    /// Let agents follow a version, in place of any other.
    ActivatePrompt => PromptActivated {
        prompt_version: i32,
    }

    /// Let agents follow none. Names the version that is active, so that a newer one is not hit by mistake.
    DeactivatePrompt => PromptDeactivated {
        prompt_version: i32,
        reason: String,
    }

    /// Call it something else.
    RenamePrompt => PromptRenamed {
        name: String,
    }

    /// Say anew what it is for.
    DescribePrompt => PromptDescribed {
        description: String,
    }

    /// Make it history. The active version is deactivated first.
    RetirePrompt => PromptRetired {
        reason: String,
    }
}
