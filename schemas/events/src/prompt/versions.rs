//! What older versions of prompt events meant.

use serde::Deserialize;

use super::PromptVersionAdded;
use crate::{PromptId, Timestamp, Upcast};

/// Version 1 of [`PromptVersionAdded`]: the model's provider and name in one text, the temperature in hundredths.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct PromptVersionAddedV1 {
    /// The prompt.
    pub prompt_id: PromptId,
    /// When it was added.
    pub occurred_at: Timestamp,
    /// Which version this is, from 1 without a gap.
    pub prompt_version: i32,
    /// The prompt itself, with its placeholders; it names no person.
    pub text: String,
    /// The model it was written for, as provider/name; absent when for any.
    pub model: Option<String>,
    /// How freely the model may answer, in hundredths; absent when the model's own default holds.
    pub temperature_percent: Option<i32>,
    /// What is new in it, in the words of whoever wrote it; it may name people. Personal.
    pub note: Option<String>,
    /// The person who wrote it; absent when a program did. Personal.
    pub added_by: Option<String>,
}

/// Version 2 of [`PromptVersionAdded`]: the temperature in hundredths.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct PromptVersionAddedV2 {
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
    /// How freely the model may answer, in hundredths; absent when the model's own default holds.
    pub temperature_percent: Option<i32>,
    /// What is new in it, in the words of whoever wrote it; it may name people. Personal.
    pub note: Option<String>,
    /// The person who wrote it; absent when a program did. Personal.
    pub added_by: Option<String>,
}

impl Upcast for PromptVersionAddedV1 {
    type Next = PromptVersionAddedV2;

    /// The model's text is split at its first slash; a text without one never said who runs the model. A half that says
    /// nothing is absent.
    fn upcast(self) -> PromptVersionAddedV2 {
        let model = self.model.unwrap_or_default();
        let (provider, name) = model.split_once('/').unwrap_or(("", &model));
        let half = |text: &str| Some(text).filter(|text| !text.is_empty()).map(str::to_owned);
        let (model_provider, model_name) = (half(provider), half(name));
        PromptVersionAddedV2 {
            prompt_id: self.prompt_id,
            occurred_at: self.occurred_at,
            prompt_version: self.prompt_version,
            text: self.text,
            model_provider,
            model_name,
            temperature_percent: self.temperature_percent,
            note: self.note,
            added_by: self.added_by,
        }
    }
}

impl Upcast for PromptVersionAddedV2 {
    type Next = PromptVersionAdded;

    /// A hundredth is ten thousandths.
    fn upcast(self) -> PromptVersionAdded {
        PromptVersionAdded {
            prompt_id: self.prompt_id,
            occurred_at: self.occurred_at,
            prompt_version: self.prompt_version,
            text: self.text,
            model_provider: self.model_provider,
            model_name: self.model_name,
            temperature_milli: self.temperature_percent.map(|percent| percent.saturating_mul(10)),
            note: self.note,
            added_by: self.added_by,
        }
    }
}
