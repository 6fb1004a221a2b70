//! What can be said of a command without knowing the prompt's past.

use events::AgentRole;

use super::PromptCommand;
use crate::Unacceptable;
use crate::checks::{at_least, name, optional, text, time, words};

/// Refuses what no prompt could accept.
pub(crate) fn check(command: &PromptCommand) -> Result<(), Unacceptable> {
    time(command.occurred_at())?;
    match command {
        PromptCommand::CreatePrompt(create) => {
            name("name", &create.name)?;
            if create.role == AgentRole::Unknown {
                return Err(Unacceptable::UnknownWord { field: "role", known: "PLANNER, CODER, CRITIC" });
            }
            text("description", &create.description)?;
            optional(create.created_by.as_deref(), |who| name("created_by", who))
        }
        PromptCommand::AddPromptVersion(add) => {
            at_least(1, "prompt_version", add.prompt_version.into())?;
            words("text", &add.text)?;
            optional(add.model_provider.as_deref(), |provider| name("model_provider", provider))?;
            optional(add.model_name.as_deref(), |model| name("model_name", model))?;
            optional(add.temperature_milli, |n| at_least(0, "temperature_milli", n.into()))?;
            optional(add.note.as_deref(), |note| words("note", note))?;
            optional(add.added_by.as_deref(), |who| name("added_by", who))
        }
        PromptCommand::ActivatePrompt(activate) => {
            at_least(1, "prompt_version", activate.prompt_version.into())
        }
        PromptCommand::DeactivatePrompt(deactivate) => {
            at_least(1, "prompt_version", deactivate.prompt_version.into())?;
            words("reason", &deactivate.reason)
        }
        PromptCommand::RenamePrompt(rename) => name("name", &rename.name),
        PromptCommand::DescribePrompt(describe) => text("description", &describe.description),
        PromptCommand::RetirePrompt(retire) => words("reason", &retire.reason),
    }
}
