//! Something that is wrong with a schema file.

use std::fmt;

use serde::Serialize;

/// One thing that is wrong, and where.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Finding {
    /// The file, below the folder of schemas.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
    /// Which rule it breaks.
    pub rule: Rule,
    /// What is wrong, naming field or symbol.
    pub what: String,
    /// What to do about it.
    pub fix: String,
}

macro_rules! rules {
    ($($rule:ident $name:literal $why:literal;)*) => {
        /// A rule for schema files. Its name is what findings show; [`Rule::why`] is its reason.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
        pub enum Rule {
            $(#[doc = $why] #[serde(rename = $name)] $rule,)*
        }

        impl Rule {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$rule,)*];

            /// Its name.
            pub fn name(self) -> &'static str {
                match self { $(Self::$rule => $name,)* }
            }

            /// Its reason.
            pub fn why(self) -> &'static str {
                match self { $(Self::$rule => $why,)* }
            }
        }
    };
}

rules! {
    Json "json" "A schema is one JSON object; a key that is there twice is read differently by different readers.";
    Avro "avro" "What the Avro library, or the bounds of the decoder, refuse can never be decoded by a consumer.";
    Size "size" "A schema is loaded by every consumer and its fields are columns in people's heads: beyond these bounds it wants to be two events.";
    Name "name" "Topic, namespace, folder and record are one name, so that each is found from each; the schema's full name is its subject.";
    FieldName "field-name" "One spelling, snake_case, for fields in every language that reads them.";
    Symbol "symbol" "Symbols are constants in the code of readers: UPPER_SNAKE_CASE.";
    Doc "doc" "The schema is the documentation: the catalogue, the API's description and the columns of views are made of its sentences.";
    Attribute "attribute" "An attribute that nobody knows is a misspelt one: readers ignore it without a word.";
    FieldOrder "field-order" "Every event begins with its aggregate's id and the time it happened: whoever reads bytes by hand finds them.";
    Optional "optional" "An optional field is [\"null\", T] with default null: Avro takes a default for the first branch, and null alone is understood as absent by all.";
    AddedDefault "added-default" "Old events do not have a field that is new; without a default nobody can read them.";
    DefaultType "default-type" "A default of another type is refused by some readers and taken as something else by others.";
    EnumDefault "enum-default" "A reader that does not know a new symbol reads the default; without one it cannot read the event at all.";
    LogicalPlace "logical-place" "A logicalType beside the type instead of inside it is ignored by every reader without a word.";
    Time "time" "A bare number does not say whether it is seconds, milliseconds or microseconds, nor since when.";
    Id "id" "Ids are UUIDs as text with logicalType uuid: typed alike in the database, in code and in tools.";
    Float "float" "Binary floats cannot hold most decimal fractions, and sums of them depend on the order: two readers would differ.";
    Money "money" "Money is whole nano-USD in a long, and its name says so: a sum needs no rounding and no second field for the unit.";
    Reference "reference" "A schema that refers to another file cannot be read alone, and changes its meaning when the other changes.";
    Alias "alias" "An old reader knows nothing of an alias: it reads the renamed field's default, so the field needs one.";
    Personal "personal" "A field about a person is marked with true and is a text, or an optional text: that is what can be sealed.";
    Compatibility "compatibility" "Topics and stores keep events of every version for ever: every version must read every other.";
    Frozen "frozen" "What was released is in stores and registries: a change is a new version in a new file.";
    Registry "registry" "What the registry has is what running programs read with: the files must know all of it.";
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, line, rule, what, fix } = self;
        write!(f, "{file}:{line}: {rule}: {what}\n    why: {}\n    fix: {fix}", rule.why())
    }
}
