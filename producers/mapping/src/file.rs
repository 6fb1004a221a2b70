//! The mapping file as it is written.

use std::collections::BTreeMap;

use events::TenantId;
use serde::Deserialize;

use crate::command::StepFile;
use crate::id::IdFile;
use crate::source::SourceFile;
use crate::sum::SumFile;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct MappingFile {
    pub(crate) mapping: String,
    #[serde(default)]
    pub(crate) tenant: Option<TenantId>,
    pub(crate) source: SourceFile,
    pub(crate) key: Vec<String>,
    #[serde(default)]
    pub(crate) correlation: Option<String>,
    #[serde(default)]
    pub(crate) subject: Option<String>,
    pub(crate) aggregate: AggregateFile,
    pub(crate) commands: Vec<StepFile>,
    #[serde(default)]
    pub(crate) sums: BTreeMap<String, SumFile>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AggregateFile {
    pub(crate) r#type: String,
    pub(crate) id: IdFile,
}
