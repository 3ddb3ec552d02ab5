//! An answer of the console.

use serde_json::{Value, json};

use super::PAGE;

/// An answer of the console.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The fields, names in lower case.
    pub headers: Vec<(&'static str, String)>,
    /// The body.
    pub body: String,
}

impl Answer {
    /// This, as JSON.
    #[must_use]
    pub fn json(value: &Value) -> Self {
        Self::new(200, "application/json; charset=utf-8", value.to_string())
    }

    /// A refusal: what was wrong, and what was expected.
    #[must_use]
    pub fn refusal(status: u16, reason: &str) -> Self {
        Self { status, ..Self::json(&json!({ "error": reason })) }
    }

    /// The page. The nonce is a number that nobody can guess, new each time: only what is marked with it is run or has style.
    #[must_use]
    pub fn page(nonce: &str) -> Self {
        let mut page = Self::new(200, "text/html; charset=utf-8", PAGE.replace("NONCE", nonce));
        let policy = format!(
            "default-src 'none'; script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'; connect-src 'self'; img-src data:; \
             base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        );
        page.headers.push(("content-security-policy", policy));
        page
    }

    fn new(status: u16, content_type: &str, body: String) -> Self {
        let headers = vec![
            ("content-type", content_type.to_owned()),
            ("cache-control", "no-store".to_owned()),
            ("x-content-type-options", "nosniff".to_owned()),
            ("referrer-policy", "no-referrer".to_owned()),
            ("cross-origin-resource-policy", "same-origin".to_owned()),
        ];
        Self { status, headers, body }
    }

    /// The same with one more field.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }
}
