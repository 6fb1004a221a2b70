//! The names of a view's fields, asked of its `Deserialize`.

use serde::de::{self, DeserializeOwned, Deserializer, Visitor};
use serde::forward_to_deserialize_any;

/// The serde names of the fields of a struct. `None`: it is no plain struct (an enum, or one with flattened fields).
pub(crate) fn of<V: DeserializeOwned>() -> Option<&'static [&'static str]> {
    let mut fields = None;
    drop(V::deserialize(Asker(&mut fields)));
    fields
}

/// Deserializes nothing: it only hears what a struct asks for.
struct Asker<'a>(&'a mut Option<&'static [&'static str]>);

#[derive(Debug, thiserror::Error)]
#[error("nothing to read")]
struct Nothing;

impl de::Error for Nothing {
    fn custom<T: std::fmt::Display>(_: T) -> Self {
        Self
    }
}

impl<'de> Deserializer<'de> for Asker<'_> {
    type Error = Nothing;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Nothing> {
        Err(Nothing)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        _: V,
    ) -> Result<V::Value, Nothing> {
        *self.0 = Some(fields);
        Err(Nothing)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Nothing> {
        visitor.visit_newtype_struct(self)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        seq tuple tuple_struct map enum identifier ignored_any
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Deserialize)]
    #[expect(dead_code, reason = "only the names matter")]
    struct View {
        #[serde(rename = "cost_nano_usd")]
        cost: i64,
        ended_at: Option<String>,
    }

    #[test]
    fn a_struct_tells_its_fields_as_serde_writes_them() {
        assert_eq!(of::<View>(), Some(&["cost_nano_usd", "ended_at"][..]));
        assert_eq!(of::<String>(), None);
    }
}
