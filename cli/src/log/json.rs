//! Lines of JSON: which of an object's fields tell what.

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::draft::Draft;
use super::field::{Field, Line, Scalar, Skip};

/// A format of one JSON object for each line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Dialect {
    /// Fields by their names, in order.
    fields: Vec<(String, Field)>,
    /// Those of the object `request`, likewise.
    of_request: Vec<(String, Field)>,
    /// Whether `request` has an object `headers`, each a list of values.
    tells_headers: bool,
    /// A field that each line has with this value, if the format says so.
    mark: Option<(&'static str, &'static str)>,
}

impl Dialect {
    /// The names of fields inside `request` begin with `request.`.
    pub(super) fn new(
        fields: Vec<(&str, Field)>,
        tells_headers: bool,
        mark: Option<(&'static str, &'static str)>,
    ) -> Self {
        let mut dialect = Self { fields: Vec::new(), of_request: Vec::new(), tells_headers, mark };
        for (name, field) in fields {
            dialect.put(name, field);
        }
        dialect
    }

    fn put(&mut self, name: &str, field: Field) {
        let (list, name) = match name.strip_prefix("request.") {
            Some(name) => (&mut self.of_request, name),
            None => (&mut self.fields, name),
        };
        match list.binary_search_by(|(known, _)| known.as_str().cmp(name)) {
            Ok(place) => list[place].1 = field,
            Err(place) => list.insert(place, (name.to_owned(), field)),
        }
    }

    /// The same with another field by which users are told apart.
    pub(super) fn with_credential(mut self, name: &str) -> Self {
        self.fields.retain(|(_, field)| *field != Field::Credential);
        self.put(name, Field::Credential);
        self
    }

    /// The fields that it tells.
    pub(super) fn fields(&self) -> impl Iterator<Item = &Field> {
        self.fields.iter().chain(&self.of_request).map(|(_, field)| field)
    }

    /// Whether it tells all headers that a client has sent.
    pub(super) const fn tells_headers(&self) -> bool {
        self.tells_headers
    }

    fn field(&self, name: &str, is_of_request: bool) -> Option<&Field> {
        let list = if is_of_request { &self.of_request } else { &self.fields };
        let place = list.binary_search_by(|(known, _)| known.as_str().cmp(name)).ok()?;
        list.get(place).map(|(_, field)| field)
    }

    /// What a line says.
    pub(super) fn read<'a>(&'a self, line: &'a [u8]) -> Result<Line<'a>, Skip> {
        if !line.starts_with(b"{") {
            return Err(Skip::Unreadable);
        }
        let mut reading =
            Reading { dialect: self, draft: Draft::default(), found: 0, is_marked: self.mark.is_none() };
        let mut json = serde_json::Deserializer::from_slice(line);
        let object = Object { reading: &mut reading, is_request: false };
        let end = object.deserialize(&mut json).and_then(|()| json.end());
        end.map_err(|_| Skip::Unreadable)?;
        if !reading.is_marked || reading.found < 2 {
            return Err(Skip::Unreadable);
        }
        reading.draft.finish()
    }
}

struct Reading<'a> {
    dialect: &'a Dialect,
    draft: Draft<'a>,
    found: usize,
    is_marked: bool,
}

/// A line's object, or the one that stands in it as `request`.
struct Object<'r, 'a> {
    reading: &'r mut Reading<'a>,
    is_request: bool,
}

impl<'a> DeserializeSeed<'a> for Object<'_, 'a> {
    type Value = ();

    fn deserialize<D: Deserializer<'a>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'a> Visitor<'a> for Object<'_, 'a> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<M: MapAccess<'a>>(self, mut map: M) -> Result<(), M::Error> {
        let Self { reading, is_request } = self;
        let dialect = reading.dialect;
        while let Some(Name(name)) = map.next_key()? {
            if !is_request && !dialect.of_request.is_empty() && name == "request" {
                map.next_value_seed(Object { reading, is_request: true })?;
                continue;
            }
            if is_request && dialect.tells_headers && name == "headers" {
                map.next_value_seed(HeaderList { reading })?;
                continue;
            }
            let field = dialect.field(&name, is_request);
            let mark = dialect.mark.filter(|(known, _)| !is_request && !reading.is_marked && *known == name);
            if field.is_none() && mark.is_none() {
                map.next_value::<IgnoredAny>()?;
                continue;
            }
            let Value(value) = map.next_value()?;
            if let (Some(Scalar::Plain(text)), Some((_, mark))) = (&value, mark) {
                reading.is_marked = *text == mark.as_bytes();
            }
            if let (Some(field), Some(value)) = (field, value) {
                reading.found += 1;
                if reading.draft.put(field, value).is_none() {
                    return Err(serde::de::Error::custom("not what the format says it is"));
                }
            }
        }
        Ok(())
    }
}

/// What Caddy writes for headers that are secret.
pub(crate) const REDACTED: &[u8] = b"REDACTED";

/// The headers of a request: an object of lists.
struct HeaderList<'r, 'a> {
    reading: &'r mut Reading<'a>,
}

impl<'a> DeserializeSeed<'a> for HeaderList<'_, 'a> {
    type Value = ();

    fn deserialize<D: Deserializer<'a>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'a> Visitor<'a> for HeaderList<'_, 'a> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("headers")
    }

    fn visit_map<M: MapAccess<'a>>(self, mut map: M) -> Result<(), M::Error> {
        while let Some(Name(name)) = map.next_key()? {
            let Values(mut values) = map.next_value()?;
            if values.is_empty() {
                // So did Caddy 2.6 strike out what is secret.
                values.push(Cow::Borrowed(REDACTED));
            }
            for value in values {
                self.reading.draft.put_header(name.clone(), value);
            }
        }
        Ok(())
    }
}

/// A text, borrowed where it can be.
struct Name<'a>(Cow<'a, str>);

impl<'a> serde::Deserialize<'a> for Name<'a> {
    fn deserialize<D: Deserializer<'a>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl<'a> Visitor<'a> for Text {
            type Value = Name<'a>;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("a text")
            }

            fn visit_borrowed_str<E>(self, text: &'a str) -> Result<Name<'a>, E> {
                Ok(Name(Cow::Borrowed(text)))
            }

            fn visit_str<E>(self, text: &str) -> Result<Name<'a>, E> {
                Ok(Name(Cow::Owned(text.to_owned())))
            }
        }
        deserializer.deserialize_str(Text)
    }
}

/// A text or a number; of anything else nothing.
struct Value<'a>(Option<Scalar<'a>>);

impl<'a> serde::Deserialize<'a> for Value<'a> {
    fn deserialize<D: Deserializer<'a>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;
        impl<'a> Visitor<'a> for Any {
            type Value = Value<'a>;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("a value")
            }

            fn visit_borrowed_str<E>(self, text: &'a str) -> Result<Value<'a>, E> {
                Ok(Value(Some(Scalar::Plain(text.as_bytes()))))
            }

            fn visit_str<E>(self, text: &str) -> Result<Value<'a>, E> {
                Ok(Value(Some(Scalar::Owned(text.as_bytes().to_vec()))))
            }

            fn visit_u64<E>(self, number: u64) -> Result<Value<'a>, E> {
                Ok(Value(Some(Scalar::Int(number))))
            }

            fn visit_i64<E>(self, _: i64) -> Result<Value<'a>, E> {
                Ok(Value(None))
            }

            fn visit_f64<E>(self, number: f64) -> Result<Value<'a>, E> {
                Ok(Value(Some(Scalar::Float(number))))
            }

            fn visit_bool<E>(self, _: bool) -> Result<Value<'a>, E> {
                Ok(Value(None))
            }

            /// Something is not there: what an access log shows as `-`.
            fn visit_unit<E>(self) -> Result<Value<'a>, E> {
                Ok(Value(Some(Scalar::Plain(b"-"))))
            }

            fn visit_seq<S: SeqAccess<'a>>(self, mut list: S) -> Result<Value<'a>, S::Error> {
                while list.next_element::<IgnoredAny>()?.is_some() {}
                Ok(Value(None))
            }

            fn visit_map<M: MapAccess<'a>>(self, mut map: M) -> Result<Value<'a>, M::Error> {
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(Value(None))
            }
        }
        deserializer.deserialize_any(Any)
    }
}

/// A list of texts.
struct Values<'a>(Vec<Cow<'a, [u8]>>);

impl<'a> serde::Deserialize<'a> for Values<'a> {
    fn deserialize<D: Deserializer<'a>>(deserializer: D) -> Result<Self, D::Error> {
        let names: Vec<Name> = serde::Deserialize::deserialize(deserializer)?;
        let bytes = |Name(name): Name<'a>| match name {
            Cow::Borrowed(text) => Cow::Borrowed(text.as_bytes()),
            Cow::Owned(text) => Cow::Owned(text.into_bytes()),
        };
        Ok(Self(names.into_iter().map(bytes).collect()))
    }
}
