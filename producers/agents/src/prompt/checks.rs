//! What can be said of a command without knowing the prompt's past.

use events::AgentRole;

use super::PromptCommand;
use crate::Unacceptable;
use crate::checks::{at_least, optional, text, time, word};

/// Refuses what no prompt could accept.
pub(crate) fn check(command: &PromptCommand) -> Result<(), Unacceptable> {
    time(command.occurred_at())?;
    match command {
        PromptCommand::CreatePrompt(create) => {
            word("name", &create.name)?;
            if create.role == AgentRole::Unknown {
                return Err(Unacceptable::UnknownWord { field: "role", known: "PLANNER, CODER, CRITIC" });
            }
            text("description", &create.description)?;
            optional(create.created_by.as_deref(), |who| word("created_by", who))
        }
        PromptCommand::AddPromptVersion(add) => {
            at_least(1, "prompt_version", add.prompt_version.into())?;
            word("text", &add.text)?;
            optional(add.model_provider.as_deref(), |provider| word("model_provider", provider))?;
            optional(add.model_name.as_deref(), |name| word("model_name", name))?;
            optional(add.temperature_milli, |n| at_least(0, "temperature_milli", n.into()))?;
            optional(add.note.as_deref(), |note| word("note", note))?;
            optional(add.added_by.as_deref(), |who| word("added_by", who))
        }
        PromptCommand::ActivatePrompt(activate) => {
            at_least(1, "prompt_version", activate.prompt_version.into())
        }
        PromptCommand::DeactivatePrompt(deactivate) => {
            at_least(1, "prompt_version", deactivate.prompt_version.into())?;
            word("reason", &deactivate.reason)
        }
        PromptCommand::RenamePrompt(rename) => word("name", &rename.name),
        PromptCommand::DescribePrompt(describe) => text("description", &describe.description),
        PromptCommand::RetirePrompt(retire) => word("reason", &retire.reason),
    }
}
