//! A view as COPY reads it: one line of text, column by column, straight from the view's `Serialize`.

use std::fmt::{Display, Write};

use serde::ser::{self, Error as _, Impossible, Serialize, Serializer};

/// What stands for no value.
const NULL: &str = "\\N";

/// Why a view is no line.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NoLine {
    /// A value is a list, a map or a struct, which only JSON has a form for.
    #[error("a value is not a single one")]
    Compound,
    /// It is not what it should be.
    #[error("{0}")]
    Refused(String),
}

impl ser::Error for NoLine {
    fn custom<T: Display>(reason: T) -> Self {
        Self::Refused(reason.to_string())
    }
}

/// A column that has a field in the view.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Field {
    pub(crate) name: &'static str,
    /// What it takes is JSON: a text has its quotes in it.
    pub(crate) is_json: bool,
}

/// Writes a value, or that there is none.
pub(crate) fn value(line: &mut String, found: Option<impl Display>) {
    match found {
        // Writing into a string cannot fail.
        Some(found) => write!(Escaped(line), "{found}").unwrap_or_default(),
        None => line.push_str(NULL),
    }
}

/// Writes the fields of a view, each after a tab; where there is no view they are null.
pub(crate) fn fields<V: Serialize>(
    line: &mut String,
    fields: &[Field],
    view: Option<&V>,
) -> Result<(), NoLine> {
    match view {
        Some(view) => view.serialize(Writer { line, of_view: Some(fields) }),
        None => {
            Fields { line, left: fields.iter() }.leave_out();
            Ok(())
        }
    }
}

/// Escapes what is written through it as COPY's text form wants it.
struct Escaped<'l>(&'l mut String);

impl Write for Escaped<'_> {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        let mut written = 0;
        for (at, byte) in text.bytes().enumerate() {
            let escape = match byte {
                b'\\' => "\\\\",
                b'\t' => "\\t",
                b'\n' => "\\n",
                b'\r' => "\\r",
                _ => continue,
            };
            self.0.push_str(&text[written..at]);
            self.0.push_str(escape);
            written = at + 1;
        }
        self.0.push_str(&text[written..]);
        Ok(())
    }
}

/// What JSON has for a value.
fn json<T: Serialize + ?Sized>(line: &mut String, found: &T) -> Result<(), NoLine> {
    let text = serde_json::to_string(found).map_err(NoLine::custom)?;
    value(line, (text != "null").then_some(text));
    Ok(())
}

/// The fields of a view that are not written yet.
struct Fields<'l> {
    line: &'l mut String,
    left: std::slice::Iter<'l, Field>,
}

impl Fields<'_> {
    fn leave_out(self) {
        for _ in self.left {
            self.line.push('\t');
            self.line.push_str(NULL);
        }
    }
}

impl ser::SerializeStruct for Fields<'_> {
    type Ok = ();
    type Error = NoLine;

    fn serialize_field<T: Serialize + ?Sized>(
        &mut self,
        name: &'static str,
        found: &T,
    ) -> Result<(), NoLine> {
        for field in self.left.by_ref() {
            self.line.push('\t');
            if field.name != name {
                self.line.push_str(NULL); // it was skipped
            } else if field.is_json {
                return json(self.line, found);
            } else {
                return match found.serialize(Writer { line: self.line, of_view: None }) {
                    Err(NoLine::Compound) => json(self.line, found),
                    written => written,
                };
            }
        }
        Err(NoLine::custom(format!("the field {name} is written after those that it stands before")))
    }

    fn end(self) -> Result<(), NoLine> {
        self.leave_out();
        Ok(())
    }
}

/// Writes a view, or one value of it.
struct Writer<'l> {
    line: &'l mut String,
    /// The fields, if it is the view.
    of_view: Option<&'l [Field]>,
}

impl Writer<'_> {
    fn value(self, found: Option<impl Display>) -> Result<(), NoLine> {
        if self.of_view.is_some() {
            return Err(NoLine::Compound);
        }
        value(self.line, found);
        Ok(())
    }
}

/// Values that have one text.
macro_rules! written {
    ($($name:ident: $type:ty),* $(,)?) => {
        $(fn $name(self, found: $type) -> Result<(), NoLine> { self.value(Some(found)) })*
    };
}

impl<'l> Serializer for Writer<'l> {
    type Ok = ();
    type Error = NoLine;
    type SerializeSeq = Impossible<(), NoLine>;
    type SerializeTuple = Impossible<(), NoLine>;
    type SerializeTupleStruct = Impossible<(), NoLine>;
    type SerializeTupleVariant = Impossible<(), NoLine>;
    type SerializeMap = Impossible<(), NoLine>;
    type SerializeStruct = Fields<'l>;
    type SerializeStructVariant = Impossible<(), NoLine>;

    written! {
        serialize_bool: bool, serialize_i8: i8, serialize_i16: i16, serialize_i32: i32, serialize_i64: i64,
        serialize_i128: i128, serialize_u8: u8, serialize_u16: u16, serialize_u32: u32, serialize_u64: u64,
        serialize_u128: u128, serialize_char: char, serialize_str: &str,
    }

    /// What is no number is null, as in JSON.
    fn serialize_f32(self, found: f32) -> Result<(), NoLine> {
        self.value(found.is_finite().then_some(found))
    }

    fn serialize_f64(self, found: f64) -> Result<(), NoLine> {
        self.value(found.is_finite().then_some(found))
    }

    fn serialize_bytes(self, _: &[u8]) -> Result<(), NoLine> {
        Err(NoLine::Compound)
    }

    fn serialize_none(self) -> Result<(), NoLine> {
        self.value(None::<&str>)
    }

    fn serialize_some<T: Serialize + ?Sized>(self, found: &T) -> Result<(), NoLine> {
        found.serialize(self)
    }

    fn serialize_unit(self) -> Result<(), NoLine> {
        self.serialize_none()
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<(), NoLine> {
        self.serialize_none()
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, variant: &'static str) -> Result<(), NoLine> {
        self.value(Some(variant))
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        found: &T,
    ) -> Result<(), NoLine> {
        found.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: &T,
    ) -> Result<(), NoLine> {
        Err(NoLine::Compound)
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Self::SerializeSeq, NoLine> {
        Err(NoLine::Compound)
    }

    fn serialize_tuple(self, _: usize) -> Result<Self::SerializeTuple, NoLine> {
        Err(NoLine::Compound)
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Self::SerializeTupleStruct, NoLine> {
        Err(NoLine::Compound)
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeTupleVariant, NoLine> {
        Err(NoLine::Compound)
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Self::SerializeMap, NoLine> {
        Err(NoLine::Compound)
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Fields<'l>, NoLine> {
        let fields = self.of_view.ok_or(NoLine::Compound)?;
        Ok(Fields { line: self.line, left: fields.iter() })
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeStructVariant, NoLine> {
        Err(NoLine::Compound)
    }
}

#[cfg(test)]
mod tests {
    use serde::Serialize;
    use serde_json::json;

    use super::*;

    #[derive(Serialize)]
    struct View<'a> {
        text: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        skipped: Option<i32>,
        none: Option<bool>,
        share: f64,
        kind: Kind,
        listed: Vec<u8>,
        any: serde_json::Value,
    }

    #[derive(Serialize)]
    #[serde(rename_all = "lowercase")]
    enum Kind {
        Open,
    }

    const FIELDS: [&str; 7] = ["text", "skipped", "none", "share", "kind", "listed", "any"];

    fn view(text: &str) -> View<'_> {
        let any = json!({ "a": "tab\t" });
        View { text, skipped: None, none: None, share: f64::NAN, kind: Kind::Open, listed: vec![1, 2], any }
    }

    fn written(names: &[&'static str], view: Option<&impl Serialize>) -> Result<String, NoLine> {
        let all: Vec<Field> = names.iter().map(|name| Field { name, is_json: *name == "any" }).collect();
        let mut line = String::from("key");
        fields(&mut line, &all, view).map(|()| line)
    }

    #[test]
    fn a_view_is_a_line_of_its_fields() {
        let line = written(&FIELDS, Some(&view("a\tb\\N\n\r"))).unwrap();
        assert_eq!(
            line, "key\ta\\tb\\\\N\\n\\r\t\\N\t\\N\t\\N\topen\t[1,2]\t{\"a\":\"tab\\\\t\"}",
            "no field that is absent shifts another"
        );
    }

    #[test]
    fn no_view_is_as_many_nulls() {
        assert_eq!(written(&FIELDS[..2], None::<&View<'_>>).unwrap(), "key\t\\N\t\\N");
    }

    #[test]
    fn what_is_no_line_is_refused() {
        let swapped = ["skipped", "text", "none", "share", "kind", "listed", "any"];
        let mut out_of_order = view("");
        out_of_order.skipped = Some(1);
        let error = written(&swapped, Some(&out_of_order)).unwrap_err();
        assert_eq!(error.to_string(), "the field skipped is written after those that it stands before");
        assert!(matches!(written(&FIELDS, Some(&7)), Err(NoLine::Compound)), "a number is no view");
        assert!(matches!(written(&FIELDS, Some(&vec![7])), Err(NoLine::Compound)), "neither is a list");
    }
}
