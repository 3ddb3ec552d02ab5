//! Bytes and texts as they can be shown anywhere.

/// A text of the configuration as an error quotes it: short, on one line, and without what may be a secret. So of an address
/// with a password, `redis://:password@host`, it shows `redis:…`, and of one with a query nothing behind the `?`.
pub(crate) fn quoted(text: &str) -> String {
    let password = text.find(':').filter(|colon| text[*colon..].contains('@'));
    shown(text, password.or_else(|| text.find('?')))
}

/// A field's name as the path of an error has it: without a value behind it, as in `Authorization: Token abc`.
pub(crate) fn quoted_name(name: &str) -> String {
    let value = name.bytes().skip(1).position(|byte| matches!(byte, b':' | b'=' | b'?'));
    shown(name, value.map(|before| before + 1))
}

/// The text up to the byte `last`, with control characters and backslashes escaped: in a log it stays on its line.
fn shown(text: &str, last: Option<usize>) -> String {
    // The longest name of a scope.
    const LONGEST: usize = 64;
    let mut shown = String::new();
    for (count, (at, character)) in text.char_indices().enumerate() {
        if count == LONGEST || last.is_some_and(|last| at > last) {
            shown.push('…');
            break;
        }
        if character.is_control() || character == '\\' {
            shown.extend(character.escape_default());
        } else {
            shown.push(character);
        }
    }
    shown
}

/// Appends the bytes in hexadecimal.
pub(crate) fn put_hex(out: &mut String, bytes: &[u8]) {
    out.extend(bytes.iter().flat_map(|byte| hex(*byte)).map(char::from));
}

/// A byte in hexadecimal.
pub(crate) const fn hex(byte: u8) -> [u8; 2] {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    [DIGITS[(byte >> 4) as usize], DIGITS[(byte & 15) as usize]]
}
