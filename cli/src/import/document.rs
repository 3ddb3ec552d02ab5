//! A policy as it is written: in order, a scope on each line.

use std::fmt;

/// A value of JSON, whose objects keep their order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Document {
    Text(String),
    Number(u64),
    List(Vec<Document>),
    Object(Vec<(String, Document)>),
}

/// Where a policy says that its schema is: beside it, where `tollgate schema > policy.schema.json` puts it.
const SCHEMA: &str = "policy.schema.json";

impl Document {
    /// A whole policy, which names its schema first, so that editors complete it.
    pub(crate) fn policy<N: Into<String>>(fields: impl IntoIterator<Item = (N, Self)>) -> Self {
        let schema = ("$schema".to_owned(), Self::text(SCHEMA));
        let fields = fields.into_iter().map(|(name, value)| (name.into(), value));
        Self::Object([schema].into_iter().chain(fields).collect())
    }

    pub(crate) fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    pub(crate) fn texts<T: Into<String>>(texts: impl IntoIterator<Item = T>) -> Self {
        Self::List(texts.into_iter().map(Self::text).collect())
    }

    pub(crate) fn object<N: Into<String>>(fields: impl IntoIterator<Item = (N, Self)>) -> Self {
        Self::Object(fields.into_iter().map(|(name, value)| (name.into(), value)).collect())
    }

    /// Down to this depth each field has a line of its own.
    fn write(&self, f: &mut fmt::Formatter, indent: usize, depth: usize) -> fmt::Result {
        match self {
            Self::Text(text) => write!(f, "{}", serde_json::Value::from(text.as_str())),
            Self::Number(number) => write!(f, "{number}"),
            Self::List(list) if list.is_empty() => f.write_str("[]"),
            Self::List(list) => {
                for (index, value) in list.iter().enumerate() {
                    f.write_str(if index == 0 { "[" } else { ", " })?;
                    value.write(f, indent, 0)?;
                }
                f.write_str("]")
            }
            Self::Object(fields) if fields.is_empty() => f.write_str("{}"),
            Self::Object(fields) => {
                let inner = indent + 2;
                for (index, (name, value)) in fields.iter().enumerate() {
                    f.write_str(if index == 0 { "{" } else { "," })?;
                    match depth {
                        0 => f.write_str(" ")?,
                        _ => write!(f, "\n{:inner$}", "")?,
                    }
                    write!(f, "{}: ", serde_json::Value::from(name.as_str()))?;
                    value.write(f, inner, depth.saturating_sub(1))?;
                }
                match depth {
                    0 => f.write_str(" }"),
                    _ => write!(f, "\n{:indent$}}}", ""),
                }
            }
        }
    }
}

impl fmt::Display for Document {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        self.write(f, 0, 2)
    }
}
