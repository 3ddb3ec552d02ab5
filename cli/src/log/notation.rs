//! Formats as servers write them: nginx' `log_format`, Apache's `LogFormat`, Envoy's format strings.

use super::field::{Edge, Field};
use super::pattern::{Pattern, Piece};
use super::time::{TimeForm, Unit};

/// A format string in one of the three notations; `credential` is the name of the field by which users are told apart, if it is
/// none that is known as such.
///
/// # Errors
/// What is wrong with it.
pub(super) fn parse(text: &str, credential: Option<&str>, is_open: bool) -> Result<Pattern, String> {
    let text = text.trim().trim_end_matches("\\n");
    let (mut pieces, escapes) = if is_nginx(text) {
        (nginx(text), true)
    } else if is_envoy(text) {
        (envoy(text)?, false)
    } else {
        (apache(text)?, true)
    };
    if !pieces.iter().any(|piece| matches!(piece, Piece::Field(..))) {
        return Err(
            "it has no fields: write it as nginx' `log_format` has it (`$remote_addr …`), or Apache's \
                    `LogFormat` (`%h …`), or name one of the known formats"
                .into(),
        );
    }
    if let Some(name) = credential {
        let is_named = |piece: &&mut Piece| matches!(piece, Piece::Field(_, known) if is_name(known, name));
        match pieces.iter_mut().find(is_named) {
            Some(piece) => *piece = Piece::Field(Field::Credential, name.to_owned()),
            None => return Err(format!("it has no field `{name}`, by which users are to be told apart")),
        }
    }
    Pattern::new(pieces, is_open, escapes)
}

/// `$sent_http_x_user` is also called `sent_http_x_user`, `%{X-User}o` also `X-User`.
fn is_name(known: &str, name: &str) -> bool {
    let inner = || known.split(['{', '(']).nth(1).and_then(|rest| rest.split(['}', ')']).next());
    let bare = |text: &str| text.trim_matches(['$', '%', '{', '}']).to_ascii_lowercase();
    bare(known) == bare(name) || inner().is_some_and(|inner| inner.eq_ignore_ascii_case(name))
}

fn is_nginx(text: &str) -> bool {
    let variable =
        |rest: &str| rest.starts_with('{') || rest.starts_with(|first: char| first.is_ascii_lowercase());
    text.match_indices('$').any(|(index, _)| variable(&text[index + 1..]))
}

fn is_envoy(text: &str) -> bool {
    let operator = |rest: &str| {
        let name = rest.bytes().take_while(|byte| byte.is_ascii_uppercase() || *byte == b'_').count();
        name > 2 && rest[name..].starts_with(['(', '%', ':'])
    };
    text.match_indices('%').any(|(index, _)| operator(&text[index + 1..]))
}

// -- nginx ---------------------------------------------------------------------------------------------------------------

fn nginx(text: &str) -> Vec<Piece> {
    // What stands there as one field in three parts.
    let text = unquoted(text).replace("$uri$is_args$args", "$request_uri");
    let mut pieces = Vec::new();
    let mut rest = text.as_str();
    while let Some(index) = rest.find('$') {
        push_text(&mut pieces, &rest[..index]);
        let after = &rest[index + 1..];
        let braced = after.strip_prefix('{').and_then(|inner| inner.split_once('}'));
        let name_end = after.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(after.len());
        let (name, after) = braced.unwrap_or_else(|| after.split_at(name_end));
        pieces.push(Piece::Field(nginx_field(name), format!("${name}")));
        rest = after;
    }
    push_text(&mut pieces, rest);
    pieces
}

/// What stands in the quotes of `log_format main '…' '…';`; or the text itself.
fn unquoted(text: &str) -> String {
    let Some(directive) = text.strip_prefix("log_format") else { return text.to_owned() };
    let quote = directive.find(['\'', '"']).and_then(|index| directive[index..].chars().next());
    let Some(quote) = quote else { return text.to_owned() };
    directive.split(quote).skip(1).step_by(2).collect()
}

fn nginx_field(name: &str) -> Field {
    let dashed = |name: &str| name.replace('_', "-");
    match name {
        "remote_addr" => Field::Address,
        "remote_user" => Field::User,
        "time_local" => Field::Time(TimeForm::Clf, Edge::End),
        "time_iso8601" => Field::Time(TimeForm::Iso, Edge::End),
        // No variable of nginx': for formats here that tell both ends.
        "start_iso8601" => Field::Time(TimeForm::Iso, Edge::Start),
        "msec" => Field::Time(TimeForm::Epoch(Unit::Seconds), Edge::End),
        "request" => Field::RequestLine,
        "request_method" => Field::Method,
        "request_uri" | "uri" | "document_uri" => Field::Target,
        "args" | "query_string" => Field::Query,
        "status" => Field::Status,
        "request_time" => Field::Duration(Unit::Seconds),
        "host" | "http_host" | "server_name" => Field::Host,
        "http_x_forwarded_for" | "proxy_add_x_forwarded_for" => Field::ForwardedFor,
        "credential" => Field::Credential,
        _ => {
            let header = name.strip_prefix("http_").map(|name| Field::Header(dashed(name)));
            let cookie = || name.strip_prefix("cookie_").map(|name| Field::Cookie(name.to_owned()));
            header.or_else(cookie).unwrap_or(Field::Other)
        }
    }
}

// -- Apache --------------------------------------------------------------------------------------------------------------

fn apache(text: &str) -> Result<Vec<Piece>, String> {
    let mut pieces = Vec::new();
    let mut rest = text.trim_start_matches("LogFormat ");
    // As a directive it stands in quotes, those in it escaped, and a name follows.
    let directive;
    if let Some(inner) = rest.strip_prefix('"')
        && inner.contains("\\\"")
    {
        directive = inner.rsplit_once('"').map_or(inner, |(format, _name)| format).to_owned();
        rest = &directive;
    }
    let plain = rest.replace("\\\"", "\"").replace("\\t", "\t");
    let mut rest = plain.as_str();
    while let Some(index) = rest.find('%') {
        push_text(&mut pieces, &rest[..index]);
        let after = &rest[index + 1..];
        if let Some(after) = after.strip_prefix('%') {
            push_text(&mut pieces, "%");
            rest = after;
            continue;
        }
        // Only for some statuses, and the first or the last of an internal redirect: it is the same field.
        let after = after.trim_start_matches(|c: char| c.is_ascii_digit() || "!,<>".contains(c));
        let (argument, after) = match after.strip_prefix('{').and_then(|inner| inner.split_once('}')) {
            Some((argument, after)) => (Some(argument), after),
            None => (None, after),
        };
        let after = after.trim_start_matches(['<', '>']);
        let size = if after.starts_with('^') { 3 } else { 1 };
        let directive = after.get(..size).filter(|directive| directive.is_ascii()).ok_or_else(|| {
            format!(
                "`%{rest}` is no directive of Apache's",
                rest = rest[index + 1..].chars().take(12).collect::<String>()
            )
        })?;
        let name = argument.map_or_else(|| format!("%{directive}"), |it| format!("%{{{it}}}{directive}"));
        let bracketed = directive == "t" && argument.is_none();
        push_text(&mut pieces, if bracketed { "[" } else { "" });
        pieces.push(Piece::Field(apache_field(directive, argument), name));
        push_text(&mut pieces, if bracketed { "]" } else { "" });
        rest = &after[size..];
    }
    push_text(&mut pieces, rest);
    Ok(pieces)
}

fn apache_field(directive: &str, argument: Option<&str>) -> Field {
    let lower = || argument.unwrap_or_default().to_ascii_lowercase();
    match (directive, argument) {
        ("h", _) | ("a", None) => Field::Address,
        ("u", _) => Field::User,
        ("t", None) => Field::Time(TimeForm::Clf, Edge::Start),
        ("t", Some(form)) => apache_time(form),
        ("r", _) => Field::RequestLine,
        ("s", _) => Field::Status,
        ("m", _) => Field::Method,
        ("U", _) => Field::Target,
        ("q", _) => Field::Query,
        ("v" | "V", _) => Field::Host,
        ("D", _) | ("T", Some("us")) => Field::Duration(Unit::Micros),
        ("T", Some("ms")) => Field::Duration(Unit::Millis),
        ("T", _) => Field::Duration(Unit::Seconds),
        ("i", _) if lower() == "x-forwarded-for" => Field::ForwardedFor,
        ("i", _) if lower() == "host" => Field::Host,
        ("i", _) => Field::Header(lower()),
        ("C", Some(name)) => Field::Cookie(name.to_owned()),
        _ => Field::Other,
    }
}

fn apache_time(form: &str) -> Field {
    let (edge, form) = match form.split_once(':') {
        Some(("begin", form)) => (Edge::Start, form),
        Some(("end", form)) => (Edge::End, form),
        _ => (Edge::Start, form),
    };
    let form = match form {
        "sec" => TimeForm::Epoch(Unit::Seconds),
        "msec" => TimeForm::Epoch(Unit::Millis),
        "usec" => TimeForm::Epoch(Unit::Micros),
        "msec_frac" | "usec_frac" => return Field::Other,
        form => TimeForm::Strftime(form.to_owned()),
    };
    Field::Time(form, edge)
}

// -- Envoy ---------------------------------------------------------------------------------------------------------------

fn envoy(text: &str) -> Result<Vec<Piece>, String> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some(index) = rest.find('%') {
        push_text(&mut pieces, &rest[..index]);
        let after = &rest[index + 1..];
        if let Some(after) = after.strip_prefix('%') {
            push_text(&mut pieces, "%");
            rest = after;
            continue;
        }
        let name = after.bytes().take_while(|byte| byte.is_ascii_uppercase() || *byte == b'_').count();
        let unended = || format!("`%{}` has no `%` at its end", after.chars().take(12).collect::<String>());
        let (argument, behind) = match after[name..].strip_prefix('(') {
            Some(inner) => inner
                .split_once(')')
                .map(|(argument, behind)| (Some(argument), behind))
                .ok_or_else(unended)?,
            None => (None, &after[name..]),
        };
        // A length may stand there: `:Z`.
        let (_, behind) = behind.split_once('%').ok_or_else(unended)?;
        let shown =
            argument.map_or_else(|| after[..name].to_owned(), |it| format!("{}({it})", &after[..name]));
        pieces.push(Piece::Field(envoy_field(&after[..name], argument), format!("%{shown}%")));
        rest = behind;
    }
    push_text(&mut pieces, rest);
    Ok(pieces)
}

/// What a command operator of Envoy's tells. With `X?Y` it is the first of two headers.
pub(super) fn envoy_field(name: &str, argument: Option<&str>) -> Field {
    let header = || argument.unwrap_or_default().rsplit('?').next().unwrap_or_default().to_ascii_lowercase();
    match name {
        "START_TIME" => Field::Time(envoy_time(argument), Edge::Start),
        "RESPONSE_CODE" => Field::Status,
        "RESPONSE_CODE_DETAILS" => Field::Details,
        "DURATION" => Field::Duration(Unit::Millis),
        "GRPC_STATUS" | "GRPC_STATUS_NUMBER" => Field::GrpcStatus,
        "PATH" => Field::Target,
        "DOWNSTREAM_REMOTE_ADDRESS" | "DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT" => Field::Address,
        "REQ" => match &*header() {
            ":method" => Field::Method,
            ":path" | "x-envoy-original-path" => Field::Target,
            ":authority" | "host" => Field::Host,
            "x-forwarded-for" => Field::ForwardedFor,
            name => Field::Header(name.to_owned()),
        },
        _ => Field::Other,
    }
}

fn envoy_time(form: Option<&str>) -> TimeForm {
    match form {
        None => TimeForm::Iso,
        Some("%s" | "%s.%3f" | "%s.%6f" | "%s.%9f") => TimeForm::Epoch(Unit::Seconds),
        // Its own directives for fractions are those of `strptime` here.
        Some(form) => TimeForm::Strftime(form.replace("%E3S", "%S%.f").replace("%E*S", "%S%.f")),
    }
}

fn push_text(pieces: &mut Vec<Piece>, text: &str) {
    if !text.is_empty() {
        pieces.push(Piece::Text(text.to_owned()));
    }
}
