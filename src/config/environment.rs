//! What is confidential: a text in the document, or in an environment variable that the document names.

use super::ConfigError;
use super::node::{Node, Value};
use crate::text::quoted;

/// What the environment has under a name: its bytes, or `None` if it is not set. It is asked for the names in the document only.
pub type Environment<'a> = &'a dyn Fn(&str) -> Option<Vec<u8>>;

const VARIABLE: &str = "environment_variable";

/// A text that no error shows.
pub(super) struct Confidential<'a> {
    pub(super) text: String,
    node: Node<'a>,
    /// Where it comes from, if that is not the document.
    variable: Option<&'a str>,
}

impl<'a> Confidential<'a> {
    /// A text that is not empty, as it stands, or as the variable has it.
    pub(super) fn read(node: &Node<'a>, environment: Environment) -> Result<Self, ConfigError> {
        let node = node.confidential();
        match node.value() {
            Value::Text(text) if !text.is_empty() => Ok(Self { text: text.clone(), node, variable: None }),
            Value::Object(_) => {
                let fields = node.fields(&[VARIABLE])?;
                Self::from_environment(fields.require(VARIABLE, "name the variable")?, environment)
            }
            _ => Err(node.error(format_args!(
                "expected a string that is not empty, or `{{ \"{VARIABLE}\": \"NAME\" }}`"
            ))),
        }
    }

    fn from_environment(node: Node<'a>, environment: Environment) -> Result<Self, ConfigError> {
        // A secret that stands here by mistake is hardly one of these, so an error may show the name.
        const EXPECTED: &str = "the name of an environment variable in capital letters, digits and `_`, such as `TOLLGATE_SECRET`";
        let name = node.text(EXPECTED)?;
        let is_name = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_';
        if !name.bytes().all(is_name) || name.bytes().next().is_none_or(|first| first.is_ascii_digit()) {
            return Err(node.error(format_args!("expected {EXPECTED}")));
        }
        let found = environment(name);
        let reason = match found.map(String::from_utf8) {
            Some(Ok(text)) if !text.is_empty() => return Ok(Self { text, node, variable: Some(name) }),
            Some(Ok(_)) => "is empty",
            Some(Err(_)) => "is not UTF-8",
            None => "is not set",
        };
        Err(node.error(format_args!(
            "`{}` {reason}: set it where Envoy is started, and for the filter list it in `vm_config.environment_variables.host_env_keys`",
            quoted(name)
        )))
    }

    /// What is wrong with the text: a clause that begins with a verb.
    pub(super) fn error(&self, reason: &str) -> ConfigError {
        match self.variable {
            Some(name) => self.node.error(format_args!("`{}` {reason}", quoted(name))),
            None => self.node.error(reason),
        }
    }
}
