//! A mapping: a checked file, and what it makes of a row.

use events::{AggregateId, TenantId};

use crate::column::Columns;
use crate::command::{self, Command, Step, Told};
use crate::file::MappingFile;
use crate::id::Id;
use crate::path::{Frame, Path, Scope};
use crate::{BadMapping, Raw, Refused, Source, Sum, convert};

/// How rows become commands.
#[derive(Debug, Clone)]
pub struct Mapping {
    /// What it is called.
    pub name: String,
    /// Whose data it brings in, if it says so.
    pub tenant: Option<TenantId>,
    /// What kind of source its rows come from.
    pub source: Source,
    /// The type of the aggregates it makes.
    pub aggregate_type: String,
    /// What must add up.
    pub sums: Vec<Sum>,
    columns: Columns,
    key: Vec<Path>,
    correlation: Option<Path>,
    subject: Option<Path>,
    id_field: String,
    id: Id,
    steps: Vec<Step>,
}

/// What a row becomes.
#[derive(Debug, Clone, PartialEq)]
pub struct Mapped {
    /// What the source calls the row.
    pub key: String,
    /// The aggregate whose whole history the row tells.
    pub aggregate_id: AggregateId,
    /// What its events share as correlation, if the file names it.
    pub correlation: Option<String>,
    /// Whom its personal texts are about, if the file names a column that says it.
    pub subject: Option<String>,
    /// Its history as commands, in order.
    pub commands: Vec<Command>,
    /// What the row adds to each of [`Mapping::sums`].
    pub sums: Vec<i128>,
}

impl Mapping {
    /// Reads a mapping file and finds every path of it among its columns.
    ///
    /// # Errors
    /// Names what is wrong and where: unknown and missing keys by line and column, unknown columns by their place.
    pub fn parse(yaml: &str) -> Result<Self, BadMapping> {
        let file: MappingFile =
            serde_saphyr::from_str(yaml).map_err(|error| BadMapping::Shape(Box::new(error)))?;
        let source = file.source.source()?;
        let columns = file.source.columns;
        let scope = Scope { row: &columns, items: &[] };
        if file.key.is_empty() {
            return Err(BadMapping::at("key", "names no column: what is a row called?"));
        }
        let path = |text: &String, at| Path::scalar(text, scope, at).map(|(path, _)| path);
        let key = file.key.iter().map(|text| path(text, "key")).collect::<Result<_, _>>()?;
        let correlation = file.correlation.as_ref().map(|text| path(text, "correlation")).transpose()?;
        let subject = file.subject.as_ref().map(|text| path(text, "subject")).transpose()?;
        let id_field = format!("{}_id", file.aggregate.r#type.replace('-', "_"));
        let id = file.aggregate.id.find(scope, "aggregate.id")?;
        let steps = command::find(file.commands, scope, "commands", &id_field)?;
        let sums =
            file.sums.into_iter().map(|(name, sum)| sum.find(name, scope)).collect::<Result<_, _>>()?;
        Ok(Self {
            name: file.mapping,
            tenant: file.tenant,
            source,
            aggregate_type: file.aggregate.r#type,
            sums,
            key,
            correlation,
            subject,
            id_field,
            id,
            steps,
            columns,
        })
    }

    /// The names of the columns, in order.
    pub fn columns(&self) -> impl Iterator<Item = &str> {
        self.columns.0.iter().map(|(name, _)| name.as_str())
    }

    /// The commands that tell a row's history, and what goes with them.
    ///
    /// # Errors
    /// Names the first column that does not hold what it should.
    pub fn map(&self, tenant: &TenantId, row: &Raw) -> Result<Mapped, Refused> {
        let values = convert::record(&self.columns, row, "")?;
        let mut frame = Frame { row: &values, items: Vec::new() };
        let name = |path: &Path| path.value(&frame).map(|value| value.to_name().unwrap_or_default());
        let key = self.key.iter().map(name).collect::<Result<Vec<_>, _>>()?.join("/");
        let correlation = self.correlation.as_ref().map(name).transpose()?;
        let subject = self.subject.as_ref().map(name).transpose()?;
        let aggregate_id =
            self.id.of(tenant, &frame)?.ok_or_else(|| Refused::whole("has no id for its aggregate"))?;
        let sums = self.sums.iter().map(|sum| sum.of(&frame)).collect::<Result<_, _>>()?;

        let told = Told { tenant, id_field: &self.id_field, id: aggregate_id.hyphenated().to_string() };
        let mut commands = Vec::new();
        told.tell(&self.steps, &mut frame, &mut commands)?;
        Ok(Mapped { key, aggregate_id: AggregateId(aggregate_id), correlation, subject, commands, sums })
    }

    /// What the source calls a row that cannot be mapped, as far as its key can be read.
    pub fn key(&self, row: &Raw) -> Option<String> {
        let Raw::Record(entries) = row else { return None };
        let text = |path: &Path| match entries.iter().find(|(name, _)| path.starts_at(name))? {
            (_, Raw::Text(text) | Raw::Number(text)) => Some(text.as_str()),
            _ => None,
        };
        let parts: Option<Vec<_>> = self.key.iter().map(text).collect();
        Some(parts?.join("/"))
    }
}
