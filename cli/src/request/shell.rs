//! A line of a POSIX shell, taken apart into words: as much of it as a pasted command needs.

/// The words of a command line: quotes, backslashes, `$'…'` and lines that go on behind a `\`. Nothing is expanded.
///
/// # Errors
/// If a quote is not closed; in words.
pub(super) fn words(line: &[u8]) -> Result<Vec<Vec<u8>>, String> {
    let mut words: Vec<Vec<u8>> = Vec::new();
    let mut word: Option<Vec<u8>> = None;
    let mut rest = line.iter().copied().peekable();
    while let Some(byte) = rest.next() {
        match byte {
            b'\'' => {
                let word = word.get_or_insert_default();
                loop {
                    match rest.next().ok_or("a `'` is not closed")? {
                        b'\'' => break,
                        byte => word.push(byte),
                    }
                }
            }
            b'"' => {
                let word = word.get_or_insert_default();
                loop {
                    match rest.next().ok_or("a `\"` is not closed")? {
                        b'"' => break,
                        b'\\' => match rest.next().ok_or("a `\"` is not closed")? {
                            b'\n' => {}
                            byte @ (b'"' | b'\\' | b'$' | b'`') => word.push(byte),
                            byte => word.extend([b'\\', byte]),
                        },
                        byte => word.push(byte),
                    }
                }
            }
            b'$' if rest.peek() == Some(&b'\'') => {
                rest.next();
                ansi(&mut rest, word.get_or_insert_default())?;
            }
            b'\\' => match rest.next() {
                Some(b'\n') | None => {}
                Some(b'\r') if rest.peek() == Some(&b'\n') => drop(rest.next()),
                Some(byte) => word.get_or_insert_default().push(byte),
            },
            byte if byte.is_ascii_whitespace() => words.extend(word.take()),
            byte => word.get_or_insert_default().push(byte),
        }
    }
    words.extend(word);
    Ok(words)
}

/// What stands in `$'…'`, as browsers copy it.
fn ansi(rest: &mut std::iter::Peekable<impl Iterator<Item = u8>>, word: &mut Vec<u8>) -> Result<(), String> {
    loop {
        match rest.next().ok_or("a `$'` is not closed")? {
            b'\'' => return Ok(()),
            b'\\' => match rest.next().ok_or("a `$'` is not closed")? {
                b'n' => word.push(b'\n'),
                b'r' => word.push(b'\r'),
                b't' => word.push(b'\t'),
                b'x' => put_character(number(rest, 2), true, word),
                b'u' => put_character(number(rest, 4), false, word),
                b'U' => put_character(number(rest, 8), false, word),
                byte => word.push(byte),
            },
            byte => word.push(byte),
        }
    }
}

fn number(rest: &mut std::iter::Peekable<impl Iterator<Item = u8>>, most: usize) -> u32 {
    let mut value = 0_u32;
    for _ in 0..most {
        let digit = rest.peek().and_then(|byte| char::from(*byte).to_digit(16));
        let Some(digit) = digit else { break };
        value = value << 4 | digit;
        rest.next();
    }
    value
}

fn put_character(number: u32, is_byte: bool, word: &mut Vec<u8>) {
    if let (true, Ok(byte)) = (is_byte, u8::try_from(number)) {
        word.push(byte);
    } else {
        let character = char::from_u32(number).unwrap_or(char::REPLACEMENT_CHARACTER);
        word.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_a_line() {
        for (line, expected) in [
            ("", vec![]),
            (" a  b\t\n", vec!["a", "b"]),
            (r#"'a b' "c \" d" e\ f"#, vec!["a b", "c \" d", "e f"]),
            (r#"a'b'"c"d"#, vec!["abcd"]),
            ("''", vec![""]),
            ("a \\\n b \\\r\n c", vec!["a", "b", "c"]),
            (r"$'it\'s\n\u0041\x42'", vec!["it's\nAB"]),
            (r#""a\nb""#, vec![r"a\nb"]),
            ("a\\", vec!["a"]),
        ] {
            let words = words(line.as_bytes()).expect(line);
            let texts: Vec<_> = words.iter().map(|word| String::from_utf8_lossy(word).into_owned()).collect();
            assert_eq!(texts, expected, "{line}");
        }
        for line in ["'a", "\"a", "\"a\\", "$'a", "$'a\\"] {
            assert!(words(line.as_bytes()).is_err(), "{line}");
        }
    }
}
