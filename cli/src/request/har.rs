//! What a browser has recorded: an HTTP archive.

use std::time::Duration;

use jiff::Timestamp;
use serde::Deserialize;

use super::{Sent, Url};

/// One recorded request.
#[derive(Debug)]
pub(crate) struct Entry {
    /// Its place in the file, from 1.
    pub(crate) number: usize,
    /// When it was sent, after the first one.
    pub(crate) at: Duration,
    pub(crate) sent: Sent,
    /// What it was answered with; `None` if it never was.
    pub(crate) status: Option<u16>,
}

#[derive(Deserialize)]
struct Har {
    log: Log,
}

#[derive(Deserialize)]
struct Log {
    entries: Vec<Recorded>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Recorded {
    started_date_time: String,
    request: Request,
    response: Response,
}

#[derive(Deserialize)]
struct Request {
    method: String,
    url: String,
    #[serde(default)]
    headers: Vec<Pair>,
    #[serde(default)]
    cookies: Vec<Pair>,
}

#[derive(Deserialize)]
struct Response {
    #[serde(default)]
    status: i64,
}

#[derive(Deserialize)]
struct Pair {
    name: String,
    value: String,
}

/// The requests of an archive, in the order in which they were sent, and how many of it are no requests of HTTP.
///
/// # Errors
/// If it is no archive; in words.
pub(crate) fn from_har(bytes: &[u8]) -> Result<(Vec<Entry>, usize), String> {
    // Some write a byte order mark.
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let har: Har =
        serde_json::from_slice(bytes).map_err(|error| format!("is not an HTTP archive: {error}"))?;
    let all = har.log.entries.len();
    let mut entries = Vec::new();
    for (index, recorded) in har.log.entries.into_iter().enumerate() {
        let number = index + 1;
        let at: Timestamp = recorded.started_date_time.parse().map_err(|error| {
            format!("is not an HTTP archive: `startedDateTime` of entry {number}: {error}")
        })?;
        // What else browsers note (`data:`, `blob:`) never left them.
        let Some(sent) = sent(&recorded.request) else { continue };
        let status =
            u16::try_from(recorded.response.status).ok().filter(|status| (100..600).contains(status));
        entries.push((at, Entry { number, at: Duration::ZERO, sent, status }));
    }
    entries.sort_by_key(|(at, _)| *at);
    let first = entries.first().map(|(at, _)| *at).unwrap_or_default();
    let skipped = all - entries.len();
    let since = |at: Timestamp| Duration::try_from(at.duration_since(first)).unwrap_or_default();
    Ok((entries.into_iter().map(|(at, entry)| Entry { at: since(at), ..entry }).collect(), skipped))
}

fn sent(request: &Request) -> Option<Sent> {
    let url = request.url.contains("://").then(|| Url::parse(request.url.as_bytes()).ok())??;
    let mut sent = Sent::new(request.method.as_bytes(), url).ok()?;
    for Pair { name, value } in &request.headers {
        match name.strip_prefix(':') {
            Some(_) => {}
            None => sent.put(name.as_bytes(), value.as_bytes()).ok()?,
        }
    }
    if sent.header("cookie").is_none() && !request.cookies.is_empty() {
        let cookies: Vec<String> =
            request.cookies.iter().map(|Pair { name, value }| format!("{name}={value}")).collect();
        sent.put(b"cookie", cookies.join("; ").as_bytes()).ok()?;
    }
    Some(sent)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_archive_is_read() {
        let har = r#"{ "log": { "version": "1.2", "entries": [
            { "startedDateTime": "2026-11-28T10:00:01.500+01:00", "request": { "method": "GET", "url": "https://a.test/b#c",
              "headers": [ { "name": ":authority", "value": "x" }, { "name": "X-A", "value": "1" } ],
              "cookies": [ { "name": "sid", "value": "1" } ] }, "response": { "status": 200 } },
            { "startedDateTime": "2026-11-28T09:00:00Z", "request": { "method": "POST", "url": "http://a.test/" },
              "response": { "status": 0 } },
            { "startedDateTime": "2026-11-28T09:00:00Z", "request": { "method": "GET", "url": "data:text/html,x" },
              "response": { "status": 200 } } ] } }"#;
        let (entries, skipped) = from_har(har.as_bytes()).expect("an archive");
        assert_eq!(skipped, 1);
        assert_eq!((entries[0].number, entries[0].at, entries[0].status), (2, Duration::ZERO, None));
        assert_eq!((entries[1].at, entries[1].status), (Duration::from_millis(1_500), Some(200)));
        assert_eq!(entries[1].sent.target, b"/b");
        assert_eq!(entries[1].sent.header("cookie"), Some(&b"sid=1"[..]));
        for bytes in [&b""[..], b"{}", b"[]", br#"{ "log": { "entries": [ {} ] } }"#, b"\xff"] {
            assert!(from_har(bytes).is_err());
        }
    }
}
