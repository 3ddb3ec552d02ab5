//! A request as it goes over the wire, in HTTP/1.1.

use super::{Sent, Url};
use crate::tell;

/// Reads a request line and headers, each on a line, until an empty line; what follows is the body, which does not matter.
///
/// # Errors
/// If it is none; in words.
pub(crate) fn from_raw(bytes: &[u8]) -> Result<Sent, String> {
    let mut lines = bytes.split(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    let line = lines.by_ref().find(|line| !line.is_empty()).ok_or("there is nothing in it")?;
    let mut words = line.split(|byte| *byte == b' ').filter(|word| !word.is_empty());
    let (method, target, version, more) = (words.next(), words.next(), words.next(), words.next());
    let is_line = more.is_none() && version.is_none_or(|version| version.starts_with(b"HTTP/"));
    let (Some(method), Some(target), true) = (method, target, is_line) else {
        return Err(format!(
            "`{}` is not a request line, such as `GET /jobs HTTP/1.1`",
            tell::bytes(&line[..line.len().min(200)])
        ));
    };
    let mut sent = Sent::new(method, Url::parse(target)?)?;
    let mut host_of_target = std::mem::take(&mut sent.host);
    for line in lines.take_while(|line| !line.is_empty()) {
        sent.put_line(line)?;
    }
    // The host in the target wins (RFC 9112, 3.2.2).
    if !host_of_target.is_empty() {
        std::mem::swap(&mut sent.host, &mut host_of_target);
    }
    Ok(sent)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_read() {
        let sent =
            from_raw(b"POST /a?b=1 HTTP/1.1\r\nHost: a.test\r\nX-A: 1\r\nCookie: a=\xff\r\n\r\nbody: x")
                .expect("a request");
        assert_eq!((sent.method.as_slice(), sent.target.as_slice()), (&b"POST"[..], &b"/a?b=1"[..]));
        assert_eq!((sent.host.as_slice(), sent.headers.len()), (&b"a.test"[..], 2));
        let sent = from_raw(b"\nGET http://b.test/c HTTP/1.1\nHost: a.test\n").expect("a request");
        assert_eq!((sent.host.as_slice(), sent.target.as_slice()), (&b"b.test"[..], &b"/c"[..]));
        for bytes in [
            &b""[..],
            b"\n\n",
            b"GET",
            b"GET / x",
            b"GET / HTTP/1.1 x",
            b"GET /\nnot a header",
            b"\xff\xfe /",
        ] {
            assert!(from_raw(bytes).is_err(), "{bytes:?}");
        }
    }
}
