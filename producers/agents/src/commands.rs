//! One shape for the commands of every aggregate, in Rust and in JSON.

/// Declares the closed set of commands of one aggregate, each beside the event it leads to when the rules agree. `examples`
/// lies beside the file that declares them.
///
/// In JSON a command is an object whose `type` is the command's name, whose time is ISO 8601 text, and which has no
/// field that the command does not know.
macro_rules! commands {
    (
        $(#[$set_doc:meta])* $set:ident, id $id:ident: $id_type:ty, collection $collection:literal, examples $examples:literal;
        $($(#[doc = $doc:literal])* $command:ident => $event:ident {
            $($(#[$attribute:meta])* $field:ident: $type:ty,)*
        })+
    ) => {
        $(#[$set_doc])*
        #[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
        #[serde(tag = "type")]
        pub enum $set {
            $(#[doc = concat!("See [`", stringify!($command), "`].")] $command($command),)+
        }

        impl $set {
            /// Whose command this is.
            pub fn aggregate_id(&self) -> events::AggregateId {
                self.$id().into()
            }

            #[doc = concat!("The `", stringify!($id), "` of the command.")]
            pub fn $id(&self) -> $id_type {
                match self {
                    $(Self::$command(command) => command.$id,)+
                }
            }

            /// When what it tells of happened.
            pub fn occurred_at(&self) -> events::Timestamp {
                match self {
                    $(Self::$command(command) => command.occurred_at,)+
                }
            }
        }

        impl aggregate::Commands for $set {
            const COLLECTION: &'static str = $collection;
            const ID_FIELD: &'static str = stringify!($id);
            const TYPES: &'static [aggregate::CommandType] = &[$(aggregate::CommandType {
                name: stringify!($command),
                about: concat!($($doc),*),
                event: stringify!($event),
            },)+];
            const EXAMPLES: &'static str = include_str!($examples);
        }

        $(
            $(#[doc = $doc])*
            #[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
            #[serde(deny_unknown_fields)]
            pub struct $command {
                #[doc = concat!("See [`", stringify!($event), "::", stringify!($id), "`].")]
                pub $id: $id_type,
                #[doc = concat!("See [`", stringify!($event), "::occurred_at`].")]
                #[serde(with = "events::iso8601")]
                pub occurred_at: events::Timestamp,
                $(
                    #[doc = concat!("See [`", stringify!($event), "::", stringify!($field), "`].")]
                    $(#[$attribute])*
                    pub $field: $type,
                )*
            }

            impl From<$command> for $set {
                fn from(command: $command) -> Self {
                    Self::$command(command)
                }
            }

            impl From<$command> for $event {
                fn from($command { $id, occurred_at, $($field,)* }: $command) -> Self {
                    Self { $id, occurred_at, $($field,)* }
                }
            }
        )+
    };
}

pub(crate) use commands;
