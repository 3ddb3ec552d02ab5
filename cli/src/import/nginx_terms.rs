//! What nginx calls hosts, locations and keys, in a policy's words.

use super::directives::Directive;
use super::document::Document;

/// Where a directive stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) hosts: Vec<String>,
    /// Patterns of a location's path; nothing for all.
    pub(super) paths: Vec<String>,
    /// Why the location cannot be written as patterns.
    pub(super) unclear: Option<String>,
}

/// The names of a server, if they can be written as hosts; none if it is for any.
pub(super) fn hosts(block: &[Directive]) -> Vec<String> {
    let names =
        block.iter().filter(|directive| directive.name == "server_name").flat_map(|names| &names.arguments);
    let names: Vec<&String> = names.collect();
    let is_plain = |name: &str| {
        let rest = name.strip_prefix("*.").unwrap_or(name);
        rest.contains('.') && rest.chars().all(|c| c.is_ascii_alphanumeric() || c == '.' || c == '-')
    };
    let are_plain = names.iter().all(|name| is_plain(name.trim_start_matches('.')));
    if !are_plain {
        return Vec::new();
    }
    let both = |name: &String| match name.strip_prefix('.') {
        Some(name) => vec![name.to_owned(), format!("*.{name}")],
        None => vec![name.clone()],
    };
    names.into_iter().flat_map(both).collect()
}

/// A location as patterns: nginx' prefixes are of characters, not of segments.
pub(super) fn location(arguments: &[String]) -> Place {
    let place = |paths: Vec<String>| Place { paths, ..Place::default() };
    match arguments {
        [sign, path] if sign == "=" => place(vec![literal(path)]),
        [sign, path] if sign == "^~" => prefix(path),
        [path] if !path.starts_with(['~', '@']) => prefix(path),
        [sign, expression] if sign == "~" || sign == "~*" => match suffix(expression) {
            Some(pattern) => place(vec![pattern]),
            None => Place { unclear: Some(format!("{sign} {expression}")), ..Place::default() },
        },
        other => Place { unclear: Some(other.join(" ")), ..Place::default() },
    }
}

fn prefix(path: &str) -> Place {
    let paths = match path {
        "/" => Vec::new(),
        path if path.ends_with('/') => vec![format!("{}**", literal(path))],
        path => vec![format!("{}*/**", literal(path))],
    };
    Place { paths, ..Place::default() }
}

/// `\.php$` is `/**/*.php`.
fn suffix(expression: &str) -> Option<String> {
    let ending = expression.strip_prefix("\\.")?.strip_suffix('$')?;
    let is_plain = |text: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric());
    if let Some(inner) = ending.strip_prefix('(').and_then(|rest| rest.strip_suffix(')')) {
        let endings: Vec<&str> = inner.trim_start_matches("?:").split('|').collect();
        return endings.iter().all(|one| is_plain(one)).then(|| format!("/**/*.{{{}}}", endings.join(",")));
    }
    is_plain(ending).then(|| format!("/**/*.{ending}"))
}

/// A path in which nothing is a pattern.
fn literal(path: &str) -> String {
    let mut text = String::new();
    for character in path.chars() {
        match character {
            '*' => text.push_str("%2A"),
            '{' => text.push_str("%7B"),
            '}' => text.push_str("%7D"),
            ':' if text.ends_with('/') => text.push_str("%3A"),
            other => text.push(other),
        }
    }
    text
}

/// Who is counted; `None` if that cannot be written; and what is to be said about it.
pub(super) fn key(text: &str) -> (Option<Document>, Option<String>) {
    let names: Vec<&str> = text
        .split('$')
        .skip(1)
        .map(|name| name.trim_matches(|c: char| !c.is_ascii_alphanumeric() && c != '_'))
        .collect();
    let mut note = None;
    let mut parts: Vec<Document> = Vec::new();
    for name in names {
        let dashed = |name: &str| name.replace('_', "-");
        let part = match name {
            "binary_remote_addr" | "remote_addr" | "realip_remote_addr" => Document::text("address"),
            "http_authorization" | "remote_user" => {
                note = Some(format!(
                    "`${name}` is taken for the credential: say in `client.credential.from` where it stands"
                ));
                Document::text("credential")
            }
            // One counter for each server, which the match says.
            "server_name" | "host" | "http_host" => continue,
            _ => {
                match (name.strip_prefix("http_"), name.strip_prefix("cookie_"), name.strip_prefix("arg_")) {
                    (Some(header), _, _) => Document::object([("header", Document::text(dashed(header)))]),
                    (_, Some(cookie), _) => Document::object([("cookie", Document::text(cookie))]),
                    (_, _, Some(parameter)) => Document::object([("query", Document::text(parameter))]),
                    _ => {
                        return (
                            None,
                            Some(format!(
                                "is left out: what `${name}` is, a `map` or `geo` says, which is not read"
                            )),
                        );
                    }
                }
            }
        };
        if !parts.contains(&part) {
            parts.push(part);
        }
    }
    let key = match (parts.len(), parts.pop()) {
        (1, Some(part)) => part,
        (_, Some(last)) => {
            parts.push(last);
            Document::object([("all", Document::List(parts))])
        }
        (_, None) => Document::text("global"),
    };
    (Some(key), note)
}
