//! The JSON Schema of policies.

/// A document of JSON Schema, 2020-12. `tests/schema.rs` keeps it equal to the parser.
pub(crate) const SCHEMA: &str = include_str!("../../docs/policy.schema.json");
