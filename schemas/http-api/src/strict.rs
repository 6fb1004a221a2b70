//! JSON as a stranger sends it, read without indulgence.
//!
//! What most parsers let pass is refused, since two readers could understand it differently: a name given twice (which
//! one counts?), a NUL (Postgres cannot store it), nesting that nobody needs, numbers that do not fit. The parser behind it
//! refuses the rest: a byte order mark, invalid UTF-8, lone surrogates, trailing data.

use std::cell::RefCell;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// How far arrays and objects may be nested: a batch of commands with lists in them needs five.
pub const DEPTH_MAX: usize = 16;

/// How many values one body may have, each member and item counted.
pub const VALUES_MAX: usize = 20_000;

/// Why a body is not the JSON we read, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{problem}")]
pub struct Malformed {
    /// Where, as a JSON pointer (RFC 6901); empty: the body as such.
    pub pointer: String,
    /// What is wrong there.
    pub problem: String,
}

/// The value that `body` is, if it is one beyond doubt.
///
/// # Errors
/// When it is not; the error names the place.
pub fn parse(body: &[u8]) -> Result<Value, Malformed> {
    let reading = Reading::default();
    let mut deserializer = serde_json::Deserializer::from_slice(body);
    let value = Strict { reading: &reading, depth: 0 }.deserialize(&mut deserializer);
    let value = value.and_then(|value| deserializer.end().map(|()| value));
    value.map_err(|error| Malformed { pointer: reading.pointer(), problem: error.to_string() })
}

/// Where the reader is, and how much it has read.
#[derive(Default)]
struct Reading {
    place: RefCell<Vec<String>>,
    values: std::cell::Cell<usize>,
}

impl Reading {
    fn pointer(&self) -> String {
        self.place.borrow().iter().map(|step| format!("/{}", escaped(step))).collect()
    }

    /// Reads what is at `step`. After an error the place stays where it was.
    fn at<T, E>(&self, step: String, read: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
        self.place.borrow_mut().push(step);
        let value = read()?;
        self.place.borrow_mut().pop();
        Ok(value)
    }
}

/// A step of a JSON pointer (RFC 6901, section 3).
pub fn escaped(step: &str) -> String {
    step.replace('~', "~0").replace('/', "~1")
}

#[derive(Clone, Copy)]
struct Strict<'r> {
    reading: &'r Reading,
    depth: usize,
}

impl Strict<'_> {
    fn deeper<E: serde::de::Error>(self) -> Result<Self, E> {
        if self.depth == DEPTH_MAX {
            return Err(E::custom(format_args!("nested more than {DEPTH_MAX} deep")));
        }
        Ok(Self { depth: self.depth + 1, ..self })
    }
}

impl<'de> DeserializeSeed<'de> for Strict<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        self.reading.values.set(self.reading.values.get() + 1);
        if self.reading.values.get() > VALUES_MAX {
            return Err(D::Error::custom(format_args!("more than {VALUES_MAX} values")));
        }
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value).map(Value::Number).ok_or_else(|| E::custom("number out of range"))
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Value, E> {
        no_nul(text).map(|()| text.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let inner = self.deeper()?;
        let mut values = Vec::new();
        while let Some(value) =
            self.reading.at(values.len().to_string(), || items.next_element_seed(inner))?
        {
            values.push(value);
        }
        Ok(Value::Array(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let inner = self.deeper()?;
        let mut object = Map::new();
        while let Some(name) = members.next_key::<String>()? {
            no_nul(&name)?;
            let value = self.reading.at(name.clone(), || {
                if object.contains_key(&name) {
                    return Err(A::Error::custom("given twice"));
                }
                members.next_value_seed(inner)
            })?;
            object.insert(name, value);
        }
        Ok(Value::Object(object))
    }
}

fn no_nul<E: serde::de::Error>(text: &str) -> Result<(), E> {
    if text.contains('\0') { Err(E::custom("a text with a NUL cannot be stored")) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(body: impl AsRef<[u8]>) -> (String, String) {
        let malformed = parse(body.as_ref()).expect_err("it is read");
        (malformed.pointer, malformed.problem)
    }

    #[test]
    fn whole_numbers_are_exact_up_to_64_bits() {
        for number in ["9007199254740993", "18446744073709551615", "-9223372036854775808"] {
            assert_eq!(parse(number.as_bytes()).unwrap().to_string(), number);
        }
    }

    #[test]
    fn what_two_readers_could_understand_differently_is_refused_where_it_is() {
        for (body, pointer, problem) in [
            (r#"{"a":1,"a":1}"#, "/a", "given twice"),
            (r#"{"a":[0,{"b/c":1,"b/c":2}]}"#, "/a/1/b~1c", "given twice"),
            (r#"{"a":"x\u0000"}"#, "/a", "a text with a NUL cannot be stored"),
            (r#"{"a\u0000":1}"#, "", "a text with a NUL cannot be stored"),
            (r#"{"a":1e400}"#, "/a", "number out of range"),
            (r#"{"a":"\ud800"}"#, "/a", "unexpected end of hex escape"),
            ("\u{feff}{}", "", "expected value"),
            ("{} {}", "", "trailing characters"),
            ("{}x", "", "trailing characters"),
            ("", "", "EOF while parsing a value"),
            ("{'a':1}", "", "key must be a string"),
            (r#"{"a":01}"#, "/a", "invalid number"),
            (r#"{"a":NaN}"#, "/a", "expected value"),
            (r#"{"a":1,}"#, "", "trailing comma"),
        ] {
            let (found_pointer, found_problem) = refused(body);
            assert_eq!(
                (found_pointer.as_str(), found_problem.starts_with(problem)),
                (pointer, true),
                "{body}: {found_problem}"
            );
        }
    }

    #[test]
    fn invalid_utf_8_is_refused() {
        assert_eq!(refused(b"{\"a\":\"\xff\"}").0, "/a");
    }

    #[test]
    fn depth_is_bounded_without_using_the_stack() {
        let nested = |depth| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(parse(nested(DEPTH_MAX).as_bytes()).is_ok());
        assert!(refused(nested(DEPTH_MAX + 1)).1.starts_with("nested more than 16 deep"));
        assert!(refused("[".repeat(10_000)).1.starts_with("nested more than 16 deep"));
        assert!(refused(r#"{"a":"#.repeat(100_000)).1.starts_with("nested more than 16 deep"));
    }

    #[test]
    fn the_number_of_values_is_bounded() {
        let zeros = |count: usize| format!("[{}0]", "0,".repeat(count - 1));
        assert!(parse(zeros(VALUES_MAX - 1).as_bytes()).is_ok());
        assert!(refused(zeros(VALUES_MAX)).1.starts_with("more than 20000 values"));
    }
}
