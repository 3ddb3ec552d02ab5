//! RESP, the protocol of Redis (version 2): writing commands and reading replies.

/// Appends a command, as Redis reads it. Each argument goes with its length, so that it may hold any bytes.
pub fn put_command(out: &mut Vec<u8>, arguments: &[&[u8]]) {
    put_count(out, arguments.len());
    for argument in arguments {
        put_argument(out, argument);
    }
}

/// Appends how many arguments the command that follows has.
pub(super) fn put_count(out: &mut Vec<u8>, count: usize) {
    put_number(out, b'*', count);
}

/// Appends one of a command's arguments.
pub(super) fn put_argument(out: &mut Vec<u8>, argument: &[u8]) {
    put_number(out, b'$', argument.len());
    out.extend_from_slice(argument);
    out.extend_from_slice(b"\r\n");
}

fn put_number(out: &mut Vec<u8>, kind: u8, number: usize) {
    out.push(kind);
    out.extend_from_slice(number.to_string().as_bytes());
    out.extend_from_slice(b"\r\n");
}

/// One reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply<'a> {
    /// A short text, such as `OK`.
    Text(&'a [u8]),
    /// An error: a word in capitals, usually, and a message.
    Error(&'a [u8]),
    /// A number.
    Number(i64),
    /// Bytes; `None` if there are none.
    Bytes(Option<&'a [u8]>),
    /// A list of replies; `None` if there is none.
    List(Option<Vec<Reply<'a>>>),
}

/// Why bytes are not a reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RespError {
    /// They end too early.
    CutShort,
    /// They break the protocol, or nest lists more than [`MAX_DEPTH`] deep.
    Malformed,
}

/// How deep lists may stand in lists. Tollgate asks for none that stand in another.
pub const MAX_DEPTH: u32 = 4;

/// Reads one reply from the front of `bytes`, and moves on behind it.
///
/// Takes no more memory than some thirty times the bytes that are there, whatever lengths they claim.
///
/// # Errors
/// See [`RespError`]. How far it has moved is not said then.
pub fn read_reply<'a>(bytes: &mut &'a [u8]) -> Result<Reply<'a>, RespError> {
    read_nested(bytes, MAX_DEPTH)
}

fn read_nested<'a>(bytes: &mut &'a [u8], depth: u32) -> Result<Reply<'a>, RespError> {
    let (kind, rest) = bytes.split_first().ok_or(RespError::CutShort)?;
    *bytes = rest;
    let line = read_line(bytes)?;
    Ok(match kind {
        b'+' => Reply::Text(line),
        b'-' => Reply::Error(line),
        b':' => Reply::Number(number(line)?),
        b'$' => Reply::Bytes(length(line)?.map(|length| read_bytes(bytes, length)).transpose()?),
        b'*' => {
            let Some(length) = length(line)? else { return Ok(Reply::List(None)) };
            let depth = depth.checked_sub(1).ok_or(RespError::Malformed)?;
            // The shortest reply has three bytes.
            let mut list = Vec::with_capacity(length.min(bytes.len() / 3));
            for _ in 0..length {
                list.push(read_nested(bytes, depth)?);
            }
            Reply::List(Some(list))
        }
        _ => return Err(RespError::Malformed),
    })
}

fn read_line<'a>(bytes: &mut &'a [u8]) -> Result<&'a [u8], RespError> {
    let end = memchr::memchr(b'\r', bytes).ok_or(RespError::CutShort)?;
    let line = &bytes[..end];
    match bytes.get(end + 1) {
        None => Err(RespError::CutShort),
        Some(b'\n') => {
            *bytes = &bytes[end + 2..];
            Ok(line)
        }
        Some(_) => Err(RespError::Malformed),
    }
}

fn read_bytes<'a>(bytes: &mut &'a [u8], length: usize) -> Result<&'a [u8], RespError> {
    let (found, rest) = bytes.split_at_checked(length).ok_or(RespError::CutShort)?;
    *bytes = rest;
    if read_line(bytes)?.is_empty() { Ok(found) } else { Err(RespError::Malformed) }
}

/// A length; `None` if it is -1, which stands for nothing at all.
fn length(line: &[u8]) -> Result<Option<usize>, RespError> {
    match number(line)? {
        -1 => Ok(None),
        length => usize::try_from(length).map(Some).map_err(|_| RespError::Malformed),
    }
}

fn number(line: &[u8]) -> Result<i64, RespError> {
    let text = std::str::from_utf8(line).map_err(|_| RespError::Malformed)?;
    // `str::parse` would take a leading `+`.
    if text.starts_with('+') {
        return Err(RespError::Malformed);
    }
    text.parse().map_err(|_| RespError::Malformed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(mut bytes: &[u8]) -> Result<(Reply<'_>, &[u8]), RespError> {
        read_reply(&mut bytes).map(|reply| (reply, bytes))
    }

    #[test]
    fn every_kind_of_reply() {
        let list = vec![Reply::Number(-7), Reply::Bytes(None), Reply::Bytes(Some(b"a\r\nb"))];
        for (bytes, reply) in [
            (&b"+OK\r\n"[..], Reply::Text(b"OK")),
            (b"-ERR no\r\n", Reply::Error(b"ERR no")),
            (b":9223372036854775807\r\n", Reply::Number(i64::MAX)),
            (b"$0\r\n\r\n", Reply::Bytes(Some(b""))),
            (b"*-1\r\n", Reply::List(None)),
            (b"*0\r\n", Reply::List(Some(Vec::new()))),
            (b"*3\r\n:-7\r\n$-1\r\n$4\r\na\r\nb\r\n", Reply::List(Some(list))),
        ] {
            assert_eq!(read(bytes), Ok((reply.clone(), &b""[..])), "{bytes:?}");
            assert_eq!(read(&[bytes, b"rest"].concat()), Ok((reply, &b"rest"[..])), "{bytes:?}");
            for cut in 0..bytes.len() {
                assert_eq!(read(&bytes[..cut]), Err(RespError::CutShort), "{bytes:?} cut at {cut}");
            }
        }
    }

    #[test]
    fn what_breaks_the_protocol_is_malformed() {
        for bytes in [
            &b"OK\r\n"[..],
            b"+O\rK\r\n",
            b":\r\n",
            b":+1\r\n",
            b":1a\r\n",
            b":9223372036854775808\r\n",
            b":\xff\r\n",
            b"$-2\r\n",
            b"*-2\r\n",
            b"$1\r\nab\r\n",
            b"*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n:1\r\n",
            b"HTTP/1.1 400 Bad Request\r\n",
        ] {
            assert_eq!(read(bytes), Err(RespError::Malformed), "{bytes:?}");
        }
    }

    #[test]
    fn a_length_that_is_only_claimed_takes_no_memory() {
        assert_eq!(read(b"*9223372036854775807\r\n:1\r\n"), Err(RespError::CutShort));
        assert_eq!(read(b"$9223372036854775807\r\nabc"), Err(RespError::CutShort));
    }

    #[test]
    fn a_command_may_hold_any_bytes() {
        let mut out = Vec::new();
        put_command(&mut out, &[b"AUTH", b"a\r\nQUIT\r\n", b"\0\xff"]);
        assert_eq!(out, b"*3\r\n$4\r\nAUTH\r\n$9\r\na\r\nQUIT\r\n\r\n$2\r\n\0\xff\r\n");
    }
}
