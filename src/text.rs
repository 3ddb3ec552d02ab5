//! Bytes and texts as they can be shown anywhere.

/// The text, with control characters and backslashes escaped: in a log it stays on its line.
pub(crate) fn printable(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        if character.is_control() || character == '\\' {
            shown.extend(character.escape_default());
        } else {
            shown.push(character);
        }
    }
    shown
}

/// A text of the configuration as an error quotes it: short, and without what may be a secret: the password in an
/// address, `redis://:password@host`, and what stands in a query.
pub(crate) fn quoted(text: &str) -> String {
    const LONGEST: usize = 60;
    let (scheme, rest) = text.split_once(':').unwrap_or((text, ""));
    let masked = rest.rsplit_once('@').map(|(_, host)| format!("{scheme}:…@{host}"));
    let text = masked.as_deref().unwrap_or(text);
    let query = text.find('?').map_or(text.len(), |query| query + 1);
    let end = text.char_indices().nth(LONGEST).map_or(text.len(), |(end, _)| end).min(query);
    printable(&text[..end]) + if end < text.len() { "…" } else { "" }
}

/// A field's name as the path of an error has it: without what may be a value behind it, as in `Authorization: Token abc`.
pub(crate) fn quoted_name(name: &str) -> String {
    let value = name.char_indices().skip(1).find(|(_, character)| matches!(character, ':' | '=' | '?'));
    match value {
        Some((end, separator)) => format!("{}{separator}…", printable(&name[..end])),
        None => printable(name),
    }
}

/// Appends the bytes in hexadecimal.
pub(crate) fn put_hex(out: &mut String, bytes: &[u8]) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    for byte in bytes {
        out.push(DIGITS[usize::from(byte >> 4)].into());
        out.push(DIGITS[usize::from(byte & 15)].into());
    }
}
