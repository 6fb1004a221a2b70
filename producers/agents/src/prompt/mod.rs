//! A prompt: texts that are never changed, one after the other, of which at most one is followed.

mod checks;
mod command;
mod rejection;

#[cfg(test)]
mod properties;
#[cfg(test)]
mod stories;

use aggregate::{Aggregate, Snapshot};
use events::prompt::{PromptActivated, PromptCreated, PromptDeactivated, PromptDescribed, PromptRenamed};
use events::prompt::{PromptRetired, PromptVersionAdded};
use events::{PromptEvent, PromptId};
use serde::{Deserialize, Serialize};

use checks::check;

pub use command::{
    ActivatePrompt, AddPromptVersion, CreatePrompt, DeactivatePrompt, DescribePrompt, PromptCommand,
    RenamePrompt, RetirePrompt,
};
pub use rejection::Rejection;

/// One prompt, as far as its rules need to know it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub enum Prompt {
    /// Nothing has happened.
    #[default]
    NotCreated,
    /// It can be written and followed.
    Live(Content),
    /// It is history.
    Retired(Content, PromptRetired),
}

/// What a prompt says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Content {
    /// How it began.
    pub created: PromptCreated,
    /// What people call it now.
    pub name: String,
    /// What it is for, as said last.
    pub description: String,
    /// The last version; its number counts them.
    pub last: Option<PromptVersionAdded>,
    /// The version that agents follow.
    pub active: Option<i32>,
}

impl Aggregate for Prompt {
    type Command = PromptCommand;
    type Event = PromptEvent;
    type Rejection = Rejection;

    fn decide(&self, command: PromptCommand) -> Result<Vec<PromptEvent>, Rejection> {
        self.check_addressee(command.prompt_id())?;
        check(&command)?;
        match (self, command) {
            (Self::NotCreated, PromptCommand::CreatePrompt(create)) => happened(PromptCreated::from(create)),
            (Self::NotCreated, _) => Err(Rejection::NotCreated),
            (Self::Live(content), command) => content.decide(command),
            (Self::Retired(_, retired), PromptCommand::RetirePrompt(again))
                if *retired == again.clone().into() =>
            {
                Ok(vec![])
            }
            (Self::Retired(content, _), command @ PromptCommand::CreatePrompt(_)) => content.decide(command),
            // What is known already changes nothing even now.
            (Self::Retired(content, _), command) => match content.decide(command) {
                Ok(events) if events.is_empty() => Ok(events),
                _ => Err(Rejection::Retired),
            },
        }
    }

    fn evolve(self, event: &PromptEvent) -> Self {
        match (self, event) {
            (_, PromptEvent::Withdrawn(_)) => Self::NotCreated,
            (Self::NotCreated, PromptEvent::Created(created)) => Self::Live(Content::new(created)),
            (Self::Live(content), PromptEvent::Retired(retired)) => Self::Retired(content, retired.clone()),
            (Self::Live(content), event) => Self::Live(content.evolve(event)),
            (Self::Retired(content, retired), event) => Self::Retired(content.evolve(event), retired),
            (Self::NotCreated, _) => Self::NotCreated,
        }
    }
}

impl Snapshot for Prompt {
    const SHAPE: u32 = 1;
}

impl Prompt {
    /// What it says; `None` before it was created.
    pub fn content(&self) -> Option<&Content> {
        match self {
            Self::NotCreated => None,
            Self::Live(content) | Self::Retired(content, _) => Some(content),
        }
    }

    fn check_addressee(&self, found: PromptId) -> Result<(), Rejection> {
        match self.content().map(|content| content.created.prompt_id) {
            Some(expected) if expected != found => Err(Rejection::OtherPrompt { expected, found }),
            _ => Ok(()),
        }
    }
}

impl Content {
    fn new(created: &PromptCreated) -> Self {
        let (name, description) = (created.name.clone(), created.description.clone());
        Self { created: created.clone(), name, description, last: None, active: None }
    }

    /// How many versions there are.
    pub fn versions(&self) -> i32 {
        self.last.as_ref().map_or(0, |last| last.prompt_version)
    }

    fn decide(&self, command: PromptCommand) -> Result<Vec<PromptEvent>, Rejection> {
        match command {
            PromptCommand::CreatePrompt(create) if self.created == create.clone().into() => Ok(vec![]),
            PromptCommand::CreatePrompt(_) => Err(Rejection::AlreadyCreated),
            PromptCommand::AddPromptVersion(add) => {
                let (added, expected) = (PromptVersionAdded::from(add), self.versions().saturating_add(1));
                match added.prompt_version {
                    _ if self.last.as_ref() == Some(&added) => Ok(vec![]),
                    found if found == expected => happened(added),
                    found => Err(Rejection::VersionOutOfOrder { expected, found }),
                }
            }
            PromptCommand::ActivatePrompt(activate) => match activate.prompt_version {
                found if self.active == Some(found) => Ok(vec![]),
                found if (1..=self.versions()).contains(&found) => happened(PromptActivated::from(activate)),
                found => Err(Rejection::NoVersion { last: self.versions(), found }),
            },
            PromptCommand::DeactivatePrompt(deactivate) => match (self.active, deactivate.prompt_version) {
                (None, _) => Ok(vec![]),
                (Some(active), found) if active == found => happened(PromptDeactivated::from(deactivate)),
                (Some(active), found) => Err(Rejection::OtherActive { active, found }),
            },
            PromptCommand::RenamePrompt(rename) if rename.name == self.name => Ok(vec![]),
            PromptCommand::RenamePrompt(rename) => happened(PromptRenamed::from(rename)),
            PromptCommand::DescribePrompt(describe) if describe.description == self.description => Ok(vec![]),
            PromptCommand::DescribePrompt(describe) => happened(PromptDescribed::from(describe)),
            PromptCommand::RetirePrompt(retire) => match self.active {
                None => happened(PromptRetired::from(retire)),
                Some(active) => Err(Rejection::StillActive { active }),
            },
        }
    }

    /// This prompt after `event`: what happened, whether or not the rules of today would have let it.
    fn evolve(mut self, event: &PromptEvent) -> Self {
        match event {
            PromptEvent::VersionAdded(added) => self.last = Some(added.clone()),
            PromptEvent::Activated(activated) => self.active = Some(activated.prompt_version),
            PromptEvent::Deactivated(_) => self.active = None,
            PromptEvent::Renamed(renamed) => self.name.clone_from(&renamed.name),
            PromptEvent::Described(described) => self.description.clone_from(&described.description),
            // These are the whole prompt's.
            PromptEvent::Created(_) | PromptEvent::Retired(_) | PromptEvent::Withdrawn(_) => {}
        }
        self
    }
}

fn happened(event: impl Into<PromptEvent>) -> Result<Vec<PromptEvent>, Rejection> {
    Ok(vec![event.into()])
}
