//! `console`: who may come in.

use super::environment::{Confidential, Environment};
use super::node::Node;
use super::{ConfigError, parse_json, store};
use crate::store::TableName;

/// What an operator has to show.
#[derive(Clone, PartialEq, Eq)]
pub struct Token {
    /// Whose it is: the name that the log has.
    pub name: String,
    /// The token itself.
    pub secret: String,
}

impl std::fmt::Debug for Token {
    /// Without the token.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Token").field("name", &self.name).finish_non_exhaustive()
    }
}

/// What a console is told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConsoleRules {
    /// Who may come in; nobody is named where this machine alone may.
    pub tokens: Vec<Token>,
    /// The table whose clients it shows, with the policies on it; `None`: the one that has no name.
    pub table: Option<TableName>,
}

/// The shortest token, in characters: nobody guesses a random one of that length.
const SHORTEST: usize = 16;

/// What a console is told, if the document configures one: `{ "console": { … } }`.
///
/// # Errors
/// If it is one and a field is unknown or wrong, or a variable that it names is not set.
pub fn console(document: &[u8], environment: Environment) -> Option<Result<ConsoleRules, ConfigError>> {
    let document = parse_json(document).ok()?;
    let root = Node::root(&document);
    if !root.is_object() || root.members().ok()?.get("console").is_none() {
        return None;
    }
    Some(read(&root, environment))
}

fn read(root: &Node, environment: Environment) -> Result<ConsoleRules, ConfigError> {
    let fields = root.fields(&["console", "$schema"]).map_err(|_| {
        ConfigError::new(
            "console",
            "stands alone: a console has no policy of its own; give each a filter on a listener of its own"
                .to_owned(),
        )
    })?;
    let console = fields.require("console", "what the console is told")?;
    let fields = console.fields(&["tokens", "store"])?;
    let table = fields.get("store").map(|node| store::read_name(&node)).transpose()?.flatten();
    let Some(tokens) = fields.get("tokens") else { return Ok(ConsoleRules { tokens: Vec::new(), table }) };
    let mut found = Vec::new();
    for (name, node) in tokens.members()?.iter() {
        let secret = Confidential::read(&node, environment)?;
        let is_plain = secret.text.bytes().all(|byte| byte.is_ascii_graphic());
        if secret.text.len() < SHORTEST || !is_plain {
            return Err(secret.error(&format!("is no good token: expected {SHORTEST} or more visible ASCII characters, such as `openssl rand -hex 32` makes")));
        }
        found.push(Token { name: name.to_owned(), secret: secret.text });
    }
    if found.is_empty() {
        return Err(tokens.error(format_args!(
            "expected at least one token by name; leave `tokens` out where only this machine may come in"
        )));
    }
    Ok(ConsoleRules { tokens: found, table })
}
