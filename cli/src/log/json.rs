//! Lines of JSON: which of an object's fields tell what.

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::field::{Draft, Field, Line, Scalar, Skip};

/// A format of one JSON object for each line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Dialect {
    /// Fields by their names, those inside others behind a dot.
    fields: Vec<(String, Field)>,
    /// Where an object of headers stands, each a list of values.
    headers: Option<&'static str>,
    /// A field that each line has with this value, if the format says so.
    mark: Option<(&'static str, &'static str)>,
}

impl Dialect {
    pub(super) fn new(
        fields: Vec<(&str, Field)>,
        headers: Option<&'static str>,
        mark: Option<(&'static str, &'static str)>,
    ) -> Self {
        let fields = fields.into_iter().map(|(name, field)| (name.to_owned(), field)).collect();
        Self { fields, headers, mark }
    }

    /// The same with one more field, by which users are told apart.
    pub(super) fn with_credential(mut self, name: &str) -> Self {
        self.fields.retain(|(known, field)| known != name && *field != Field::Credential);
        self.fields.push((name.to_owned(), Field::Credential));
        self
    }

    /// The fields that it tells.
    pub(super) fn fields(&self) -> impl Iterator<Item = &Field> {
        self.fields.iter().map(|(_, field)| field)
    }

    /// Whether it tells all headers that a client has sent.
    pub(super) const fn tells_headers(&self) -> bool {
        self.headers.is_some()
    }

    /// What a line says.
    pub(super) fn read<'a>(&'a self, line: &'a [u8]) -> Result<Line<'a>, Skip> {
        if !line.starts_with(b"{") {
            return Err(Skip::Unreadable);
        }
        let mut reading = Reading { dialect: self, draft: Draft::default(), found: 0, is_marked: self.mark.is_none() };
        let mut json = serde_json::Deserializer::from_slice(line);
        let object = Object { reading: &mut reading, prefix: "" };
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

/// An object, inside others whose names are `prefix`.
struct Object<'r, 'a> {
    reading: &'r mut Reading<'a>,
    prefix: &'static str,
}

impl<'a> DeserializeSeed<'a> for Object<'_, 'a> {
    type Value = ();

    fn deserialize<D: Deserializer<'a>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

/// Inside what of which the fields are looked at.
const INNER: [(&str, &str, &str); 1] = [("", "request", "request.")];

impl<'a> Visitor<'a> for Object<'_, 'a> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<M: MapAccess<'a>>(self, mut map: M) -> Result<(), M::Error> {
        let Self { reading, prefix } = self;
        while let Some(Name(name)) = map.next_key()? {
            let is_inner = |(outer, inner, _): &&(&str, &str, &str)| *outer == prefix && *inner == name;
            if let Some((_, _, inner)) = INNER.iter().find(is_inner)
                && reading.dialect.headers.is_some()
            {
                map.next_value_seed(Object { reading, prefix: inner })?;
                continue;
            }
            let dialect = reading.dialect;
            let is_here = |known: &str| known.strip_prefix(prefix) == Some(&*name);
            if dialect.headers.is_some_and(is_here) {
                map.next_value_seed(HeaderList { reading })?;
                continue;
            }
            let field = dialect.fields.iter().find(|(known, _)| is_here(known));
            let is_mark = dialect.mark.is_some_and(|(known, _)| is_here(known));
            if field.is_none() && !is_mark {
                map.next_value::<IgnoredAny>()?;
                continue;
            }
            let Value(value) = map.next_value()?;
            if is_mark && let (Some(Scalar::Text(text)), Some((_, mark))) = (&value, dialect.mark) {
                reading.is_marked |= *text == mark.as_bytes();
            }
            if let (Some((_, field)), Some(value)) = (field, value) {
                reading.found += 1;
                if reading.draft.put(field, value).is_none() {
                    return Err(serde::de::Error::custom("not what the format says it is"));
                }
            }
        }
        Ok(())
    }
}

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
            let Values(values) = map.next_value()?;
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
                Ok(Value(Some(Scalar::Text(text.as_bytes()))))
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
                Ok(Value(Some(Scalar::Text(b"-"))))
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
