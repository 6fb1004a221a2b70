//! Whether a program with one version of a schema reads what was written with another: Avro's rules of resolution
//! (specification 1.12, "Schema Resolution"), with the place of each offence.
//!
//! Stricter than Avro in three things that no reader would notice and everybody would regret: a changed logical type,
//! a changed scale of a decimal, and a record or enum that is only found by an alias of the reader.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde_json::Value;

/// Which of two versions reads, and which was written with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Direction {
    /// Programs with the newer version read old events.
    NewReadsOld,
    /// Programs with the older version read new events.
    OldReadsNew,
}

/// Something that the reader cannot read.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Break {
    /// The field, from the record down, such as `steps.cost`; empty: the record itself.
    pub path: String,
    /// Why not.
    pub reason: Reason,
}

/// Why a reader cannot read.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    /// The reader's field is not in what was written, and has no default.
    Missing,
    /// Another type, beyond what Avro promotes.
    Type {
        /// The writer's.
        written: String,
        /// The reader's.
        read: String,
    },
    /// Another name of a record, an enum or a fixed.
    Name {
        /// The writer's.
        written: String,
        /// The reader's.
        read: String,
    },
    /// A symbol that the reader's enum does not have, and no default.
    Symbol(String),
    /// A branch of the writer's union that the reader has no type for.
    Branch(String),
    /// Another meaning of the same bytes.
    Logical {
        /// The writer's.
        written: String,
        /// The reader's.
        read: String,
    },
    /// Another number of bytes of a fixed.
    Size {
        /// The writer's.
        written: u64,
        /// The reader's.
        read: u64,
    },
}

/// What a reader with one schema cannot read of what was written with the other. Both are schemas that Avro parses.
pub fn breaks(writer: &Value, reader: &Value) -> Vec<Break> {
    let mut comparison = Comparison {
        written: Names::of(writer),
        read: Names::of(reader),
        seen: BTreeSet::new(),
        found: BTreeSet::new(),
    };
    comparison.compare("", Typed::new(writer, ""), Typed::new(reader, ""));
    comparison.found.into_iter().collect()
}

/// Whether a record's schema has this field with a default; the path goes through records, lists, maps and options.
pub(super) fn has_default(schema: &Value, path: &str) -> bool {
    let names = Names::of(schema);
    let mut record = names.resolved(Typed::new(schema, ""));
    let mut steps = path.split('.').peekable();
    while let Some(step) = steps.next() {
        let Some(field) = record.fields().find(|field| field["name"] == step) else { return false };
        if steps.peek().is_none() {
            return field.get("default").is_some();
        }
        record = names.innermost(Typed::new(&field["type"], &record.namespace()));
    }
    false
}

struct Comparison<'a> {
    written: Names<'a>,
    read: Names<'a>,
    /// Pairs of named types that are compared already: types may be recursive.
    seen: BTreeSet<(String, String, String)>,
    found: BTreeSet<Break>,
}

/// A schema, and the namespace around it.
#[derive(Debug, Clone)]
struct Typed<'a> {
    schema: &'a Value,
    around: String,
}

/// The named types of one schema, by full name.
struct Names<'a>(BTreeMap<String, Typed<'a>>);

impl<'a> Names<'a> {
    fn of(schema: &'a Value) -> Self {
        let mut names = Self(BTreeMap::new());
        names.collect(Typed::new(schema, ""));
        names
    }

    fn collect(&mut self, typed: Typed<'a>) {
        match typed.schema {
            Value::Array(branches) => {
                branches.iter().for_each(|branch| self.collect(Typed::new(branch, &typed.around)));
            }
            Value::Object(_) => {
                if let Some(name) = typed.full_name() {
                    self.0.insert(name, typed.clone());
                }
                let inside = typed.namespace();
                for field in typed.fields() {
                    self.collect(Typed::new(&field["type"], &inside));
                }
                for part in ["items", "values", "type"] {
                    if let Some(part) = typed.schema.get(part) {
                        self.collect(Typed::new(part, &inside));
                    }
                }
            }
            _ => {}
        }
    }

    /// What a name stands for; a type that is wrapped (`{"type": {"type": …}}`) unwrapped.
    fn resolved(&self, typed: Typed<'a>) -> Typed<'a> {
        let inner = match typed.schema {
            Value::String(name) => {
                let full = qualified(name, &typed.around);
                return self.0.get(&full).or_else(|| self.0.get(name)).cloned().unwrap_or(typed);
            }
            Value::Object(keys) => keys.get("type").filter(|kind| kind.is_object() || kind.is_array()),
            _ => None,
        };
        match inner {
            Some(inner) => self.resolved(Typed::new(inner, &typed.around)),
            None => typed,
        }
    }

    /// The same, and out of options, lists and maps.
    fn innermost(&self, typed: Typed<'a>) -> Typed<'a> {
        let typed = self.resolved(typed);
        let inner = match typed.schema {
            Value::Array(branches) => branches.iter().find(|branch| *branch != "null"),
            Value::Object(keys) => keys.get("items").or_else(|| keys.get("values")),
            _ => None,
        };
        match inner {
            Some(inner) => self.innermost(Typed::new(inner, &typed.around)),
            None => typed,
        }
    }
}

impl<'a> Typed<'a> {
    fn new(schema: &'a Value, around: &str) -> Self {
        Self { schema, around: around.to_owned() }
    }

    /// `record`, `long`, `union` …
    fn kind(&self) -> &'a str {
        match self.schema {
            Value::String(name) => name,
            Value::Array(_) => "union",
            other => other.get("type").and_then(Value::as_str).unwrap_or("nothing"),
        }
    }

    fn full_name(&self) -> Option<String> {
        if !matches!(self.kind(), "record" | "error" | "enum" | "fixed") {
            return None;
        }
        let name = self.schema.get("name")?.as_str()?;
        let namespace = self.schema.get("namespace").and_then(Value::as_str);
        Some(qualified(name, namespace.unwrap_or(&self.around)))
    }

    /// The namespace of what is inside.
    fn namespace(&self) -> String {
        let own = self.full_name().and_then(|name| Some(name.rsplit_once('.')?.0.to_owned()));
        own.unwrap_or_else(|| self.around.clone())
    }

    fn fields(&self) -> impl Iterator<Item = &'a Value> + use<'a> {
        self.schema.get("fields").and_then(Value::as_array).into_iter().flatten()
    }

    fn symbols(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        self.schema.get("symbols").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str)
    }

    fn branches(&self) -> Vec<Self> {
        match self.schema {
            Value::Array(branches) => branches.iter().map(|branch| Self::new(branch, &self.around)).collect(),
            _ => vec![self.clone()],
        }
    }

    fn part(&self, name: &str) -> Self {
        Self::new(self.schema.get(name).unwrap_or(&Value::Null), &self.namespace())
    }

    /// The logical type with what belongs to it, such as `decimal(9, 2)`.
    fn logical(&self) -> Option<String> {
        let name = self.schema.get("logicalType")?.as_str()?;
        let number = |key| self.schema.get(key).and_then(Value::as_u64).unwrap_or(0);
        Some(match name {
            "decimal" => format!("decimal({}, {})", number("precision"), number("scale")),
            _ => name.to_owned(),
        })
    }

    /// For people: the name of a named type, else its kind.
    fn shown(&self) -> String {
        self.full_name().unwrap_or_else(|| self.kind().to_owned())
    }
}

fn qualified(name: &str, namespace: &str) -> String {
    if name.contains('.') || namespace.is_empty() { name.to_owned() } else { format!("{namespace}.{name}") }
}

/// What Avro reads of one primitive type as another.
fn promotes(written: &str, read: &str) -> bool {
    written == read
        || matches!(
            (written, read),
            ("int", "long" | "float" | "double")
                | ("long", "float" | "double")
                | ("float", "double")
                | ("string", "bytes")
                | ("bytes", "string")
        )
}

impl<'a> Comparison<'a> {
    fn compare(&mut self, path: &str, written: Typed<'a>, read: Typed<'a>) {
        let (written, read) = (self.written.resolved(written), self.read.resolved(read));
        if written.kind() == "union" || read.kind() == "union" {
            return self.branches(path, &written, &read);
        }
        if !promotes(written.kind(), read.kind()) {
            return self.broken(path, Reason::Type { written: written.shown(), read: read.shown() });
        }
        let (as_written, as_read) = (written.logical(), read.logical());
        if as_written != as_read {
            let none = || "none".to_owned();
            let (written, read) = (as_written.unwrap_or_else(none), as_read.unwrap_or_else(none));
            self.broken(path, Reason::Logical { written, read });
        }
        if let (Some(written), Some(read)) = (written.full_name(), read.full_name()) {
            if written != read {
                return self.broken(path, Reason::Name { written, read });
            }
            if !self.seen.insert((path.to_owned(), written, read)) || path.matches('.').count() > DEPTH_MAX {
                return;
            }
        }
        match read.kind() {
            "record" | "error" => self.fields(path, &written, &read),
            "enum" => self.symbols(path, &written, &read),
            "fixed" => self.size(path, &written, &read),
            "array" => self.compare(path, written.part("items"), read.part("items")),
            "map" => self.compare(path, written.part("values"), read.part("values")),
            _ => {}
        }
    }

    /// Each branch that may have been written needs one that reads it.
    fn branches(&mut self, path: &str, written: &Typed<'a>, read: &Typed<'a>) {
        let offered: Vec<_> = read.branches().into_iter().map(|it| self.read.resolved(it)).collect();
        for branch in written.branches() {
            let branch = self.written.resolved(branch);
            let named = |it: &&Typed<'_>| it.kind() == branch.kind() && it.full_name() == branch.full_name();
            let promoted =
                |it: &&Typed<'_>| branch.full_name().is_none() && promotes(branch.kind(), it.kind());
            match offered.iter().find(named).or_else(|| offered.iter().find(promoted)).cloned() {
                Some(reader) => self.compare(path, branch, reader),
                None => self.broken(path, Reason::Branch(branch.shown())),
            }
        }
    }

    fn fields(&mut self, path: &str, written: &Typed<'a>, read: &Typed<'a>) {
        for field in read.fields() {
            let name = field["name"].as_str().unwrap_or_default();
            let aliases = field.get("aliases").and_then(Value::as_array).into_iter().flatten();
            let mut known_as = std::iter::once(name).chain(aliases.filter_map(Value::as_str));
            let found = known_as.find_map(|name| written.fields().find(|field| field["name"] == name));
            let path = if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
            match found {
                Some(source) => {
                    let of = |field: &'a Value, record: &Typed<'a>| {
                        Typed::new(&field["type"], &record.namespace())
                    };
                    self.compare(&path, of(source, written), of(field, read));
                }
                None if field.get("default").is_some() => {}
                None => self.broken(&path, Reason::Missing),
            }
        }
    }

    fn symbols(&mut self, path: &str, written: &Typed<'_>, read: &Typed<'_>) {
        if read.schema.get("default").is_some() {
            return;
        }
        let known: BTreeSet<_> = read.symbols().collect();
        for symbol in written.symbols().filter(|symbol| !known.contains(symbol)) {
            self.broken(path, Reason::Symbol(symbol.to_owned()));
        }
    }

    fn size(&mut self, path: &str, written: &Typed<'_>, read: &Typed<'_>) {
        let size = |of: &Typed<'_>| of.schema.get("size").and_then(Value::as_u64).unwrap_or(0);
        let (written, read) = (size(written), size(read));
        if written != read {
            self.broken(path, Reason::Size { written, read });
        }
    }

    fn broken(&mut self, path: &str, reason: Reason) {
        self.found.insert(Break { path: path.to_owned(), reason });
    }
}

/// Fields inside fields at most: a recursive type goes on for ever.
const DEPTH_MAX: usize = 24;

impl Break {
    /// In words, for whoever made the newer version.
    pub fn words(&self, direction: Direction) -> String {
        use Direction::{NewReadsOld, OldReadsNew};
        let what =
            if self.path.is_empty() { "the record".to_owned() } else { format!("field {}", self.path) };
        match (&self.reason, direction) {
            (Reason::Missing, NewReadsOld) => format!("{what} was added without a default"),
            (Reason::Missing, OldReadsNew) => {
                format!("{what} was removed, but older readers have no default for it")
            }
            (Reason::Type { written, read }, NewReadsOld) => {
                format!("{what} was {written} and is {read}, as which {written} cannot be read")
            }
            (Reason::Type { written, read }, OldReadsNew) => {
                format!("{what} was {read} and is {written}, which older readers cannot read as {read}")
            }
            (Reason::Name { written, read }, NewReadsOld) => {
                format!("{what} was named {written} and is named {read}")
            }
            (Reason::Name { written, read }, OldReadsNew) => {
                format!("{what} was named {read} and is named {written}")
            }
            (Reason::Symbol(symbol), NewReadsOld) => {
                format!("{what} lost the symbol {symbol}, and its enum has no default")
            }
            (Reason::Symbol(symbol), OldReadsNew) => {
                format!("{what} got the symbol {symbol}, and in older readers its enum has no default")
            }
            (Reason::Branch(branch), NewReadsOld) => format!("{what} could be {branch}, and no longer can"),
            (Reason::Branch(branch), OldReadsNew) => {
                format!("{what} can be {branch} now, which older readers do not know")
            }
            (Reason::Logical { written, read }, NewReadsOld) => {
                format!(
                    "{what} had the logical type {written} and has {read}: the same bytes would mean something else"
                )
            }
            (Reason::Logical { written, read }, OldReadsNew) => {
                format!(
                    "{what} had the logical type {read} and has {written}: the same bytes would mean something else"
                )
            }
            (Reason::Size { written, read }, NewReadsOld) => {
                format!("{what} had {written} bytes and has {read}")
            }
            (Reason::Size { written, read }, OldReadsNew) => {
                format!("{what} had {read} bytes and has {written}")
            }
        }
    }
}

impl fmt::Display for Direction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NewReadsOld => "programs with the newer version cannot read old events",
            Self::OldReadsNew => "programs with the older version cannot read new events",
        })
    }
}

#[cfg(test)]
#[path = "compatibility_tests.rs"]
mod tests;
