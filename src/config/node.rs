//! A JSON document that remembers where each of its values stands.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error, MapAccess, SeqAccess, Visitor};

use super::ConfigError;
use crate::text::{quoted, quoted_name};

/// A JSON value. Objects keep their order, which is the order of the scopes, and name no field twice.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    Null,
    Bool(bool),
    Number(f64),
    Text(String),
    List(Vec<Value>),
    Object(Vec<(String, Value)>),
}

/// A value and the path that leads to it.
#[derive(Clone, Debug)]
pub(super) struct Node<'a> {
    value: &'a Value,
    path: String,
    /// Whether its value, and what is in it, may be a secret, which no error shows.
    confidential: bool,
}

/// The fields of an object, of which only known ones are there.
pub(super) struct Fields<'a> {
    members: &'a [(String, Value)],
    path: String,
    confidential: bool,
}

impl<'a> Node<'a> {
    pub(super) const fn root(value: &'a Value) -> Self {
        Self { value, path: String::new(), confidential: false }
    }

    /// The same, but no error shows its value, nor any in it.
    pub(super) fn confidential(&self) -> Self {
        Self { confidential: true, ..self.clone() }
    }

    pub(super) const fn value(&self) -> &'a Value {
        self.value
    }

    pub(super) fn is_object(&self) -> bool {
        matches!(self.value, Value::Object(_))
    }

    /// An error about this value: what it is, unless it is confidential, and what was expected or why it does not do.
    pub(super) fn error(&self, reason: impl fmt::Display) -> ConfigError {
        self.error_about(&reason)
    }

    /// One for all kinds of reasons.
    fn error_about(&self, reason: &dyn fmt::Display) -> ConfigError {
        if self.confidential {
            return self.error_without_value(reason);
        }
        ConfigError::new(&*self.path, format!("`{}`: {reason}", Shown(self.value)))
    }

    /// The same where a list or an object was expected. Who writes something else there may mean a whole thing that has a
    /// secret in it, an address or a header.
    fn error_of_kind(&self, expected: &str) -> ConfigError {
        match self.value {
            Value::Text(_) | Value::Number(_) => self.error_without_value(expected),
            _ => self.error(expected),
        }
    }

    /// An error about this field that does not show its value.
    pub(super) fn error_without_value(&self, reason: impl fmt::Display) -> ConfigError {
        ConfigError::new(&*self.path, reason.to_string())
    }

    pub(super) fn text(&self, expected: &str) -> Result<&'a str, ConfigError> {
        match self.value {
            Value::Text(text) => Ok(text),
            _ => Err(self.error(format_args!("expected {expected}"))),
        }
    }

    pub(super) fn whole_number(&self, least: u32, most: u32) -> Result<u32, ConfigError> {
        match *self.value {
            Value::Number(number)
                if number.fract() == 0.0 && (f64::from(least)..=f64::from(most)).contains(&number) =>
            {
                // In range and whole, so nothing is lost.
                #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
                Ok(number as u32)
            }
            _ => Err(self.error(format_args!("expected a whole number from {least} to {most}"))),
        }
    }

    /// The members of a list that is not empty; a value that is no list is a list of one.
    pub(super) fn one_or_more(&self) -> Result<Vec<Self>, ConfigError> {
        match self.value {
            Value::List(values) if values.is_empty() => Err(self.error("expected at least one")),
            Value::List(_) => self.list(),
            _ => Ok(vec![self.clone()]),
        }
    }

    /// Reads the members of a list that is not empty, or the one value that is no list.
    pub(super) fn each<T>(
        &self,
        read: impl Fn(&Self) -> Result<T, ConfigError>,
    ) -> Result<Vec<T>, ConfigError> {
        let mut all = Vec::new();
        // A loop makes far less code than to `collect` results.
        for node in self.one_or_more()? {
            all.push(read(&node)?);
        }
        Ok(all)
    }

    pub(super) fn list(&self) -> Result<Vec<Self>, ConfigError> {
        let Value::List(values) = self.value else { return Err(self.error_of_kind("expected a list")) };
        let member = |(index, value)| Self { value, path: format!("{}[{index}]", self.path), ..*self };
        Ok(values.iter().enumerate().map(member).collect())
    }

    /// The fields of an object that has no others than these.
    pub(super) fn fields(&self, known: &[&str]) -> Result<Fields<'a>, ConfigError> {
        let fields = self.members()?;
        match fields.members.iter().find(|(name, _)| !known.contains(&name.as_str())) {
            Some((name, _)) => {
                let known = known.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
                Err(ConfigError::new(fields.path_of(name), format!("unknown field; expected one of {known}")))
            }
            None => Ok(fields),
        }
    }

    /// The fields of an object, whatever their names.
    pub(super) fn members(&self) -> Result<Fields<'a>, ConfigError> {
        match self.value {
            Value::Object(fields) => {
                Ok(Fields { members: fields, path: self.path.clone(), confidential: self.confidential })
            }
            _ => Err(self.error_of_kind("expected an object, `{ … }`")),
        }
    }
}

impl<'a> Fields<'a> {
    pub(super) fn get(&self, name: &str) -> Option<Node<'a>> {
        self.iter().find(|(found, _)| *found == name).map(|(_, node)| node)
    }

    pub(super) fn require(&self, name: &str, meaning: &str) -> Result<Node<'a>, ConfigError> {
        self.get(name).ok_or_else(|| ConfigError::new(self.path_of(name), format!("is missing: {meaning}")))
    }

    /// An error about a field that is not there.
    pub(super) fn error(&self, name: &str, reason: impl fmt::Display) -> ConfigError {
        ConfigError::new(self.path_of(name), reason.to_string())
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&'a str, Node<'a>)> {
        let confidential = self.confidential;
        let node = move |(name, value): &'a (String, Value)| {
            (name.as_str(), Node { value, path: self.path_of(name), confidential })
        };
        self.members.iter().map(node)
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    fn path_of(&self, name: &str) -> String {
        let name = quoted_name(name);
        if self.path.is_empty() { name } else { format!("{}.{name}", self.path) }
    }
}

/// A value as it is shown in an error: short, and without an address's password.
struct Shown<'a>(&'a Value);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Value::Null => f.write_str("null"),
            Value::Bool(value) => write!(f, "{value}"),
            Value::Number(number) => show_number(*number, f),
            Value::List(values) if values.is_empty() => f.write_str("[]"),
            Value::List(_) => f.write_str("[…]"),
            Value::Object(fields) if fields.is_empty() => f.write_str("{}"),
            Value::Object(_) => f.write_str("{…}"),
            Value::Text(text) => f.write_str(&quoted(text)),
        }
    }
}

/// A number to six places, which is plenty where whole ones are wanted. (All that it takes to show any number shortest and
/// exactly would be a twentieth of the wasm file.)
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "too large a number is shown as such"
)]
fn show_number(number: f64, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let millionths = (number.abs() * 1e6).round();
    if millionths >= 1e18 {
        return f.write_str("a number out of all bounds");
    }
    let millionths = millionths as u64;
    let sign = if number < 0.0 { "-" } else { "" };
    write!(f, "{sign}{}", millionths / 1_000_000)?;
    match millionths % 1_000_000 {
        0 => Ok(()),
        part => write!(f, ".{}", format!("{part:06}").trim_end_matches('0')),
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ValueVisitor)
    }
}

struct ValueVisitor;

// Numbers are limited to what a JSON document means by one: a 64-bit float.
#[expect(clippy::cast_precision_loss)]
impl<'de> Visitor<'de> for ValueVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value as f64))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value as f64))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Ok(Value::Number(value))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Value, E> {
        Ok(Value::Text(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Value, A::Error> {
        let mut values = Vec::new();
        while let Some(value) = list.next_element()? {
            values.push(value);
        }
        Ok(Value::List(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut fields: Vec<(String, Value)> = Vec::new();
        while let Some((name, value)) = map.next_entry::<String, Value>()? {
            if fields.iter().any(|(known, _)| *known == name) {
                return Err(A::Error::custom(format_args!("field `{}` is given twice", quoted_name(&name))));
            }
            fields.push((name, value));
        }
        Ok(Value::Object(fields))
    }
}
