//! One form for each secret, however it is spelt.
//!
//! Applications accept more than one spelling of many secrets: a decoder of base64 may skip foreign characters, padding and bits that
//! mean nothing, one of hexadecimal digits does not mind their case. Each spelling would be a client of its own. So a secret is
//! brought into one form before it is counted. Two secrets meet in one form only if a lenient application takes them for one.

use std::borrow::Cow;

/// From so many digits on a text may be a secret in base64 (128 bits) or in hexadecimal digits (64 bits); shorter ones are names.
const LEAST_OF_BASE64: usize = 22;
const LEAST_OF_HEX: usize = 16;

/// So many capitals and as many small letters has nearly every secret in base64, and hardly any name or number.
const LEAST_OF_EACH_CASE: usize = 3;

/// Hexadecimal digits without capitals.
const SMALL_HEX: [bool; 256] = {
    let (mut digits, mut byte) = ([false; 256], 0_u8);
    while byte < 128 {
        digits[byte as usize] = byte.is_ascii_hexdigit() && !byte.is_ascii_uppercase();
        byte += 1;
    }
    digits
};

/// The one form of a secret:
///
/// - a UUID is its 32 digits, in lower case: `urn:uuid:{…}`, dashes and capitals are other spellings (as for Python's `uuid`);
/// - 16 hexadecimal digits or more are in lower case;
/// - base64, of 22 digits or more in both cases, has no padding, no foreign characters, `-` and `_` for `+` and `/`, and none of the
///   bits at its end that stand for no byte. The parts of a JWS or of a signed cookie, between dots, each for itself;
/// - anything else is what it is.
pub(super) fn one_form(secret: Cow<'_, [u8]>) -> Cow<'_, [u8]> {
    // Also of a UUID without dashes.
    if secret.len() >= LEAST_OF_HEX {
        // Where there is nothing to change, mostly, each digit is looked at once.
        let small = secret.iter().take_while(|byte| SMALL_HEX[usize::from(**byte)]).count();
        if small == secret.len() {
            return secret;
        }
        if secret[small..].iter().all(u8::is_ascii_hexdigit) {
            return secret.to_ascii_lowercase().into();
        }
    }
    if let Some(uuid) = uuid(&secret) {
        return uuid.to_vec().into();
    }
    let parts = || secret.split(|byte| *byte == b'.').map(|part| (part, looks_like_base64(part)));
    if !parts().any(|(_, is_base64)| is_base64) || parts().all(|(part, whole)| is_in_form(part, whole)) {
        return secret;
    }
    let mut form = Vec::with_capacity(secret.len());
    for (index, (part, whole)) in parts().enumerate() {
        if index > 0 {
            form.push(b'.');
        }
        put_base64(part, whole, &mut form);
    }
    form.into()
}

/// The name and password in the base64 of the scheme `Basic` (RFC 7617); `None` if there is no colon between them. Decoded as leniently
/// as anybody does.
pub(super) fn basic(encoded: &[u8]) -> Option<Vec<u8>> {
    let mut decoded = Vec::with_capacity(encoded.len());
    let (mut bits, mut count) = (0_u32, 0);
    for digit in encoded.iter().filter_map(|byte| digit(*byte)) {
        bits = (bits << 6) + u32::from(digit);
        count += 6;
        if count >= 8 {
            count -= 8;
            let [.., byte] = (bits >> count).to_be_bytes();
            decoded.push(byte);
        }
    }
    decoded.contains(&b':').then_some(decoded)
}

/// How many hexadecimal digits a UUID has.
const UUID: usize = 32;

/// The digits of a UUID, in lower case.
fn uuid(secret: &[u8]) -> Option<[u8; UUID]> {
    let (mut digits, mut count) = ([0; UUID], 0);
    let mut rest = secret;
    while let [first, after @ ..] = rest {
        rest = match first {
            b'{' | b'}' | b'-' => after,
            b'u' => rest.strip_prefix(b"urn:").or_else(|| rest.strip_prefix(b"uuid:"))?,
            digit if digit.is_ascii_hexdigit() => {
                *digits.get_mut(count)? = digit.to_ascii_lowercase();
                count += 1;
                after
            }
            _ => return None,
        }
    }
    (count == UUID).then_some(digits)
}

fn looks_like_base64(part: &[u8]) -> bool {
    let count = |is: fn(&u8) -> bool| part.iter().filter(|byte| is(byte)).count();
    part.len() >= LEAST_OF_BASE64
        && count(u8::is_ascii_uppercase) >= LEAST_OF_EACH_CASE
        && count(u8::is_ascii_lowercase) >= LEAST_OF_EACH_CASE
        && count(|byte| digit(*byte).is_some()) >= LEAST_OF_BASE64
}

/// Whether [`put_base64`] would write what stands there already, as of most tokens.
fn is_in_form(part: &[u8], whole: bool) -> bool {
    let is_written = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    let last = || part.last().copied().and_then(digit).unwrap_or(0);
    let ends_in_form = || match part.len() % 4 {
        1 => false,
        2 => last() & TWO_DIGITS == 0,
        3 => last() & THREE_DIGITS == 0,
        _ => true,
    };
    part.iter().all(is_written) && (!whole || ends_in_form())
}

/// The bits of the last digit that stand for no byte, where two or three digits are left over.
const TWO_DIGITS: u8 = 0b1111;
const THREE_DIGITS: u8 = 0b11;

/// Writes the base64 digits of a text, and if `whole`, without the bits at its end that stand for no byte.
fn put_base64(text: &[u8], whole: bool, out: &mut Vec<u8>) {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let start = out.len();
    let digits = text.iter().filter_map(|byte| digit(*byte));
    out.extend(digits.map(|digit| DIGITS[usize::from(digit)]));
    if !whole {
        return;
    }
    let unused = match (out.len() - start) % 4 {
        1 => {
            out.pop();
            return;
        }
        2 => TWO_DIGITS,
        3 => THREE_DIGITS,
        _ => return,
    };
    if let Some(last) = out.last_mut()
        && let Some(digit) = digit(*last)
    {
        *last = DIGITS[usize::from(digit & !unused)];
    }
}

/// The value of a base64 digit, of either alphabet (RFC 4648, 4 and 5).
const fn digit(byte: u8) -> Option<u8> {
    match byte {
        b'A'..=b'Z' => Some(byte - b'A'),
        b'a'..=b'z' => Some(byte - b'a' + 26),
        b'0'..=b'9' => Some(byte - b'0' + 52),
        b'+' | b'-' => Some(62),
        b'/' | b'_' => Some(63),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(secret: &str) -> String {
        String::from_utf8_lossy(&one_form(Cow::Borrowed(secret.as_bytes()))).into_owned()
    }

    #[test]
    fn every_spelling_of_a_secret_has_one_form() {
        const JWS: &str =
            "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJ1c2VyIn0.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
        const FERNET: &str = "gAAAAABh-x1Yk_2aZQ8vTz0C9cB3rLm7Hn5pEw==";
        // Of whole bytes: one more digit stands for none.
        const WHOLE: &str = "gAAAAABhx1Yk2aZQ8vTz0C9c";
        const HEX: &str = "9944b09199c62bcf9418ad846dd0e4bbdfc6ee4b";
        const UUID: &str = "550e8400e29b41d4a716446655440000";
        for (spellings, one) in [
            (
                vec![
                    JWS.to_owned(),
                    format!("{JWS}="),
                    format!("{JWS}!!#$"),
                    format!("{JWS}~~"),
                    JWS.replace("EjXk", "EjXl"),
                    JWS.replace("EjXk", "EjXm"),
                    JWS.replace("CVP-mB", "CVP+mB").replace("r_w", "r/w"),
                    JWS.replace("VPmB", "V~PmB"),
                ],
                JWS,
            ),
            (
                vec![FERNET.to_owned(), FERNET.replace('=', ""), FERNET.replace("Ew==", "Ex")],
                "gAAAAABh-x1Yk_2aZQ8vTz0C9cB3rLm7Hn5pEw",
            ),
            (vec![WHOLE.to_owned(), format!("{WHOLE}A"), format!("{WHOLE}=A")], WHOLE),
            (vec![HEX.to_owned(), HEX.to_uppercase(), HEX.replace("bb", "bB")], HEX),
            (
                vec![
                    UUID.to_owned(),
                    "550E8400-E29B-41D4-A716-446655440000".to_owned(),
                    "{550e8400-e29b-41d4-a716-446655440000}".to_owned(),
                    "urn:uuid:550e8400-e29b-41d4-a716-446655440000".to_owned(),
                    format!("{UUID}----"),
                    format!("{}{UUID}{}", "urn:{".repeat(20), "-".repeat(1_000)),
                ],
                UUID,
            ),
        ] {
            for spelling in spellings {
                assert_eq!(form(&spelling), one, "{spelling}");
            }
        }
    }

    #[test]
    fn parts_that_are_decoded_alone_have_one_form_each() {
        // A JWE's short parts, and the time in a signed cookie.
        let long = "0mDfwxuA4sSiEVXxLiB6iWtTVGDeYTZn-w";
        assert_eq!(
            form(&format!("a.{long}.48V1_ALb6US04U3b.{long}")),
            form(&format!("a.{long}.48V1/AL~b6US04U3b.{long}"))
        );
        assert_ne!(form(&format!("a.{long}.48V1")), form(&format!("a.{long}.48V2")));
    }

    #[test]
    fn other_secrets_are_other_clients() {
        for (one, other) in [
            ("t1", "t2"),
            ("A1", "a1"),
            ("team.abc", "team.abd"),
            ("customer-000000000000000001", "customer-000000000000000002"),
            ("Customer-000000000000000001", "Customer-000000000000000002"),
            ("01ARZ3NDEKTSV4RRFFQ69G5FAV", "01ARZ3NDEKTSV4RRFFQ69G5FAW"),
            ("9944b09199c62bcf", "9944b09199c62bce"),
            ("ABC", "abc"),
            ("ZbcdefghijklmnopqrstvwxyzABCDEFG", "zbcdefghijklmnopqrstvwxyzabcdefG"),
            ("a=", "a"),
            ("550e8400-e29b-41d4-a716-446655440000", "550e8400-e29b-41d4-a716-446655440001"),
        ] {
            assert_ne!(form(one), form(other));
        }
    }

    #[test]
    fn what_stands_in_its_form_is_not_written_again() {
        const LONG: &str = "gAAAAABh-x1Yk_2aZQ8vTz0C9cB3rLm7Hn5pEw";
        let ends = ["", "A", "Q", "E", "g", "x", "AA", "=", "+", "/", "~", "."];
        let ends = ends.iter().flat_map(|one| ends.map(|other| format!("{one}{other}")));
        for text in ends.flat_map(|end| [format!("{LONG}{end}"), format!("{LONG}{end}.{LONG}"), end]) {
            for whole in [false, true] {
                let mut form = Vec::new();
                put_base64(text.as_bytes(), whole, &mut form);
                assert_eq!(is_in_form(text.as_bytes(), whole), form == text.as_bytes(), "{text} {whole}");
            }
        }
        for token in
            [LONG, "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJ1c2VyIn0.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"]
        {
            assert!(matches!(one_form(Cow::Borrowed(token.as_bytes())), Cow::Borrowed(_)), "{token}");
        }
    }

    #[test]
    fn basic_is_what_it_decodes_to() {
        for encoded in ["YTpi", "YTpi=", "YTp~i", "YTpi===="] {
            assert_eq!(basic(encoded.as_bytes()).as_deref(), Some(&b"a:b"[..]), "{encoded}");
        }
        for encoded in ["YTo=", "YTo", "YTp=", "YTr"] {
            assert_eq!(basic(encoded.as_bytes()).as_deref(), Some(&b"a:"[..]), "{encoded}");
        }
        for encoded in ["", "YQ==", "====", "Y"] {
            assert_eq!(basic(encoded.as_bytes()), None, "{encoded}");
        }
        assert_eq!(basic("/zr/".as_bytes()).as_deref(), Some(&b"\xff:\xff"[..]));
    }
}
