//! One declaration per event set: the enum, its conversions, its schemas, and how its older versions are read.

/// Declares the closed set of events of one aggregate type and its [`DomainEvent`](crate::DomainEvent).
///
/// `schemas` is the folder of schemas relative to the crate; `<folder>/<topic>/<Record>/<version>.avsc` is compiled in.
/// `withdrawn` names the record that takes an aggregate back; it has the id, `occurred_at` and `reason`, no more.
///
/// Each line is one type: variant, record, newest version. A type with older versions says so: `version 3 after 1 2`.
/// Where an older version means something else, `lifting 1 OldA 2 OldB` names the record that versions up to 1 are read
/// as, and the one for versions up to 2; each leads to the next, and the last to the newest, by
/// [`Upcast`](crate::Upcast). `personal` lists the fields about people, as marked in the newest schema.
#[macro_export]
macro_rules! event_set {
    (@personal $record:ident;) => {{
        let _ = $record;
        Vec::new()
    }};
    (@personal $record:ident; $($field:ident)+) => {
        [$($crate::PersonalField::text(&mut $record.$field).map(|text| (stringify!($field), text)),)+]
            .into_iter()
            .flatten()
            .collect()
    };
    (@read $version:ident, $deserializer:ident, $record:ident;) => {{
        let _ = $version;
        <$record as $crate::__serde::Deserialize>::deserialize($deserializer)
    }};
    (@read $version:ident, $deserializer:ident, $record:ident; $up_to:literal $shape:ident $($newer:tt)*) => {
        if $version <= $up_to {
            <$shape as $crate::__serde::Deserialize>::deserialize($deserializer)
                .map(|shape| $crate::event_set!(@lift shape; $up_to $shape $($newer)*))
        } else {
            $crate::event_set!(@read $version, $deserializer, $record; $($newer)*)
        }
    };
    (@lift $value:expr;) => { $value };
    (@lift $value:expr; $up_to:literal $shape:ident $($newer:tt)*) => {
        $crate::event_set!(@lift $crate::Upcast::upcast($value); $($newer)*)
    };
    (@last) => { 0 };
    (@last $up_to:literal) => { $up_to };
    (@last $up_to:literal $($newer:literal)+) => { $crate::event_set!(@last $($newer)+) };
    (@avsc $schemas:literal, $topic:literal, $record:ident, $version:literal) => {
        include_str!(concat!(
            env!("CARGO_MANIFEST_DIR"), "/", $schemas, "/", $topic, "/", stringify!($record), "/", $version, ".avsc"
        ))
    };
    (
        $(#[$doc:meta])* $set:ident, topic $topic:literal, aggregate $aggregate:literal, id $id:ident,
        withdrawn $withdrawn:ident, schemas $schemas:literal;
        $($variant:ident($record:ident) version $version:literal
            $(after $($old:literal)+ $(lifting $($up_to:literal $shape:ident)+)?)?
            $(personal $($field:ident)+)?;)+
    ) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq)]
        pub enum $set {
            $(#[doc = concat!("See [`", stringify!($record), "`].")] $variant($record),)+
        }

        $(impl From<$record> for $set {
            fn from(record: $record) -> Self {
                Self::$variant(record)
            }
        })+

        impl $crate::DomainEvent for $set {
            const TOPIC: &'static str = $topic;
            const AGGREGATE_TYPE: &'static str = $aggregate;
            const TYPES: &'static [$crate::EventType] = &[$($crate::EventType {
                name: stringify!($record),
                version: $version,
                schema: $crate::event_set!(@avsc $schemas, $topic, $record, $version),
                history: &[
                    $($($crate::event_set!(@avsc $schemas, $topic, $record, $old),)+)?
                    $crate::event_set!(@avsc $schemas, $topic, $record, $version)
                ],
                lifted_through: $crate::event_set!(@last $($($($up_to)+)?)?),
                personal: &[$($(stringify!($field),)+)?],
            },)+];
            const WITHDRAWN: &'static str = stringify!($withdrawn);

            fn event_type(&self) -> &'static str {
                match self {
                    $(Self::$variant(_) => stringify!($record),)+
                }
            }

            fn aggregate_id(&self) -> $crate::AggregateId {
                match self {
                    $(Self::$variant(record) => record.$id.into(),)+
                }
            }

            fn occurred_at(&self) -> $crate::Timestamp {
                match self {
                    $(Self::$variant(record) => record.occurred_at,)+
                }
            }

            fn personal(&mut self) -> Vec<(&'static str, &mut String)> {
                match self {
                    $(Self::$variant(record) => $crate::event_set!(@personal record; $($($field)+)?),)+
                }
            }

            fn withdrawn(aggregate_id: $crate::AggregateId, at: $crate::Timestamp, reason: String) -> Self {
                $withdrawn { $id: aggregate_id.into(), occurred_at: at, reason }.into()
            }

            fn serialize_record<S: $crate::__serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                match self {
                    $(Self::$variant(record) => $crate::__serde::Serialize::serialize(record, serializer),)+
                }
            }

            fn deserialize_record<'de, D: $crate::__serde::Deserializer<'de>>(
                event_type: &str,
                version: u32,
                deserializer: D,
            ) -> Option<Result<Self, D::Error>> {
                match event_type {
                    $(stringify!($record) => Some(
                        $crate::event_set!(@read version, deserializer, $record; $($($($up_to $shape)+)?)?)
                            .map(Self::$variant),
                    ),)+
                    _ => None,
                }
            }
        }
    };
}
