//! How Mesos reads JSON into its messages, where serde would be stricter.
//!
//! Mesos (stout's `protobuf.hpp`) ignores fields that it does not know, takes `null`
//! as unset, and drops a literal that it does not know from an optional field.

use serde::de::value::{Error, StrDeserializer};
use serde::de::{Deserialize, Deserializer, IntoDeserializer};

/// `null` is unset, and what is unset has its default.
pub(crate) fn null_as_default<'de, T, D>(deserializer: D) -> Result<T, D::Error>
where
    T: Default + Deserialize<'de>,
    D: Deserializer<'de>,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// An optional literal: unset when it is not one of the enum's.
pub(crate) fn known_literal<'de, T, D>(deserializer: D) -> Result<Option<T>, D::Error>
where
    T: for<'any> Deserialize<'any>,
    D: Deserializer<'de>,
{
    let literal: Option<String> = Option::deserialize(deserializer)?;
    let known = |text: &str| {
        let text: StrDeserializer<'_, Error> = text.into_deserializer();
        T::deserialize(text).ok()
    };
    Ok(literal.as_deref().and_then(known))
}

/// As [`known_literal`], with the field's default in the place of unset.
pub(crate) fn known_literal_or_default<'de, T, D>(deserializer: D) -> Result<T, D::Error>
where
    T: Default + for<'any> Deserialize<'any>,
    D: Deserializer<'de>,
{
    known_literal(deserializer).map(Option::unwrap_or_default)
}
