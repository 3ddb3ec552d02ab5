//! A pasted `curl` command.

use super::shell::words;
use super::{Sent, Url};
use crate::tell;

/// Options with a value that say nothing about the request's head.
const LONG_WITH_VALUE: &str = "abstract-unix-socket alt-svc aws-sigv4 cacert capath cert cert-type ciphers config connect-timeout connect-to \
    continue-at cookie-jar create-file-mode crlfile curves delegation dns-interface dns-ipv4-addr dns-ipv6-addr dns-servers doh-url \
    dump-header ech egd-file engine etag-compare etag-save expect100-timeout form-escape ftp-account ftp-alternative-to-user ftp-method \
    ftp-port ftp-ssl-ccc-mode happy-eyeballs-timeout-ms haproxy-clientip hostpubmd5 hostpubsha256 hsts interface ip-tos \
    ipfs-gateway keepalive-cnt keepalive-time key key-type krb libcurl limit-rate local-port login-options mail-auth mail-from mail-rcpt \
    max-filesize max-redirs max-time netrc-file noproxy output output-dir parallel-max pass pinnedpubkey preproxy proto proto-default \
    proto-redir proxy proxy-cacert proxy-capath proxy-cert proxy-cert-type proxy-ciphers proxy-crlfile proxy-header proxy-key \
    proxy-key-type proxy-pass proxy-pinnedpubkey proxy-service-name proxy-tls13-ciphers proxy-tlsauthtype proxy-tlspassword \
    proxy-tlsuser proxy-user proxy1.0 pubkey quote random-file range rate request-target resolve retry retry-delay retry-max-time sasl-authzid \
    service-name socks4 socks4a socks5 socks5-gssapi-service socks5-hostname speed-limit speed-time stderr telnet-option tftp-blksize \
    time-cond tls-max tls13-ciphers tlsauthtype tlspassword tlsuser trace trace-ascii trace-config unix-socket variable vlan-priority write-out";
/// The same, in their short form.
const SHORT_WITH_VALUE: &[u8] = b"cCDEKmoPQrtUwxyYz";
/// Options that say something, and their long names.
const SHORT: [(u8, &str); 13] = [
    (b'A', "user-agent"),
    (b'b', "cookie"),
    (b'd', "data"),
    (b'e', "referer"),
    (b'F', "form"),
    (b'G', "get"),
    (b'H', "header"),
    (b'I', "head"),
    (b'T', "upload-file"),
    (b'u', "user"),
    (b'X', "request"),
    (b'h', "help"),
    (b'V', "version"),
];
const LONG_SAYING: [&str; 20] = [
    "user-agent",
    "cookie",
    "data",
    "data-ascii",
    "data-binary",
    "data-raw",
    "data-urlencode",
    "url-query",
    "json",
    "referer",
    "form",
    "form-string",
    "header",
    "upload-file",
    "user",
    "oauth2-bearer",
    "request",
    "url",
    "proxy-user-agent",
    "crlf-header",
];

#[derive(Default)]
#[expect(clippy::struct_excessive_bools, reason = "curl has as many switches")]
struct Command {
    method: Option<Vec<u8>>,
    url: Option<Vec<u8>>,
    headers: Vec<Vec<u8>>,
    data: Vec<Vec<u8>>,
    query: Vec<Vec<u8>>,
    user: Option<Vec<u8>>,
    is_get: bool,
    is_head: bool,
    is_form: bool,
    is_upload: bool,
}

/// Reads a command as it is pasted from a browser or a page of documentation.
///
/// # Errors
/// If it is none, or has an option that is not known; in words.
pub(crate) fn from_curl(line: &[u8]) -> Result<Sent, String> {
    let mut words = words(line)?.into_iter();
    match words.next() {
        Some(first) if first == b"curl" || first.ends_with(b"/curl") || first == b"curl.exe" => {}
        Some(first) => {
            return Err(format!("`{}` is not curl; paste the whole line, `curl …`", tell::bytes(&first)));
        }
        None => return Err("there is nothing in it; paste the whole line, `curl …`".to_owned()),
    }
    let mut command = Command::default();
    let mut only_urls = false;
    while let Some(word) = words.next() {
        match word.as_slice() {
            b"^" => {
                return Err("this is a line for Windows' cmd; let the browser copy it for bash".to_owned());
            }
            b"--" if !only_urls => only_urls = true,
            [b'-', b'-', name @ ..] if !only_urls => {
                command.long(&String::from_utf8_lossy(name), &mut words)?;
            }
            [b'-', flags @ ..] if !only_urls && !flags.is_empty() => command.short(flags, &mut words)?,
            // Of several, the first.
            _ => {
                command.url.get_or_insert(word);
            }
        }
    }
    command.sent()
}

type Words = std::vec::IntoIter<Vec<u8>>;

impl Command {
    fn short(&mut self, flags: &[u8], words: &mut Words) -> Result<(), String> {
        for (index, flag) in flags.iter().enumerate() {
            let shown = format!("-{}", char::from(*flag));
            let behind = &flags[index + 1..];
            let mut value = || {
                let given = if behind.is_empty() { words.next() } else { Some(behind.to_vec()) };
                given.ok_or_else(|| format!("curl's option `{shown}` wants a value"))
            };
            match SHORT.iter().find(|(short, _)| short == flag) {
                Some((b'G', _)) => self.is_get = true,
                Some((b'I', _)) => self.is_head = true,
                Some((b'h' | b'V', _)) => return Err(format!("curl's option `{shown}` sends no request")),
                Some((_, name)) => return value().and_then(|value| self.says(name, value)),
                None if SHORT_WITH_VALUE.contains(flag) => return value().map(drop),
                None if flag.is_ascii_alphanumeric() || b"#:".contains(flag) => {}
                None => return Err(format!("curl has no option `{}`", tell::clean(&shown))),
            }
        }
        Ok(())
    }

    fn long(&mut self, name: &str, words: &mut Words) -> Result<(), String> {
        let mut value =
            || words.next().ok_or_else(|| format!("curl's option `--{}` wants a value", tell::clean(name)));
        match name {
            "get" => self.is_get = true,
            "head" => self.is_head = true,
            "help" | "version" | "manual" => {
                return Err(format!("curl's option `--{name}` sends no request"));
            }
            "next" => {
                return Err("these are several requests, by `--next`; explain one after the other".to_owned());
            }
            name if LONG_SAYING.contains(&name) => return value().and_then(|value| self.says(name, value)),
            name if LONG_WITH_VALUE.split_whitespace().any(|known| known == name) => {
                return value().map(drop);
            }
            // All others are switches.
            _ => {}
        }
        Ok(())
    }

    fn says(&mut self, name: &str, value: Vec<u8>) -> Result<(), String> {
        let header = |name: &str, value: &[u8]| [name.as_bytes(), b": ", value].concat();
        match name {
            "request" => self.method = Some(value),
            "url" => self.url = Some(value),
            "header" => self.headers.push(value),
            "user-agent" => self.headers.push(header("User-Agent", &value)),
            "referer" => self.headers.push(header("Referer", &value)),
            "oauth2-bearer" => {
                self.headers.push(header("Authorization", &[b"Bearer ", value.as_slice()].concat()));
            }
            "cookie" if value.contains(&b'=') => self.headers.push(header("Cookie", &value)),
            "cookie" => {
                return Err(format!(
                    "`-b {}` is a file of cookies; write the cookies themselves",
                    tell::bytes(&value)
                ));
            }
            "user" => self.user = Some(value),
            "form" | "form-string" => self.is_form = true,
            "upload-file" => self.is_upload = true,
            "url-query" => self.query.push(value),
            "json" => {
                self.data.push(value);
                for line in ["Content-Type: application/json", "Accept: application/json"] {
                    self.headers.push(line.as_bytes().to_vec());
                }
            }
            name if name.starts_with("data") => self.data.push(value),
            _ => {}
        }
        Ok(())
    }

    fn sent(self) -> Result<Sent, String> {
        let mut url = Url::parse(&self.url.ok_or("there is no URL in it")?)?;
        let data = if self.is_get { self.data.as_slice() } else { &[] };
        for part in data.iter().chain(&self.query) {
            url.target.push(if url.target.contains(&b'?') { b'&' } else { b'?' });
            url.target.extend(part.iter().filter(|byte| byte.is_ascii_graphic()));
        }
        if self.user.is_some() {
            url.user = self.user;
        }
        let has_data = !self.data.is_empty() && !self.is_get;
        let method = match &self.method {
            Some(method) => method.as_slice(),
            None if self.is_head => b"HEAD",
            None if self.is_upload => b"PUT",
            None if has_data || self.is_form => b"POST",
            None => b"GET",
        };
        let mut sent = Sent::new(method, url)?;
        let mut removed: Vec<Vec<u8>> = Vec::new();
        for line in &self.headers {
            let line = line.trim_ascii();
            match line {
                // Curl takes `Name:` for leaving its own out, and `Name;` for one that is empty.
                [name @ .., b':'] if !name.contains(&b':') => removed.push(name.to_ascii_lowercase()),
                [name @ .., b';'] if !name.contains(&b':') => sent.put(name, b"")?,
                [b':', ..] => {}
                line => sent.put_line(line)?,
            }
        }
        let mut own = |name: &str, value: &str| {
            let is_there =
                sent.header(name).is_some() || removed.iter().any(|removed| removed == name.as_bytes());
            if is_there { Ok(()) } else { sent.put(name.as_bytes(), value.as_bytes()) }
        };
        own("user-agent", "curl/8")?;
        own("accept", "*/*")?;
        if has_data {
            own("content-type", "application/x-www-form-urlencoded")?;
        } else if self.is_form {
            own("content-type", "multipart/form-data")?;
        }
        Ok(sent)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(line: &str) -> Sent {
        from_curl(line.as_bytes()).unwrap_or_else(|error| panic!("{line}: {error}"))
    }

    #[test]
    fn as_browsers_copy_it() {
        let found = sent(
            "curl 'https://a.test/b?c=1' \\\n  -H 'accept: */*' \\\n  -H $'x-quote: it\\'s' \\\n -b 'sid=1; x=2' \\\n  --compressed",
        );
        assert_eq!(
            (found.method.as_slice(), found.target.as_slice(), found.host.as_slice()),
            (&b"GET"[..], &b"/b?c=1"[..], &b"a.test"[..])
        );
        assert_eq!(found.header("x-quote"), Some(&b"it's"[..]));
        assert_eq!(found.header("cookie"), Some(&b"sid=1; x=2"[..]));
    }

    #[test]
    fn what_curl_sends() {
        for (line, method, target) in [
            ("curl a.test", "GET", "/"),
            ("curl -sSXPOST a.test/b", "POST", "/b"),
            ("curl -d a=1 http://a.test/b", "POST", "/b"),
            ("curl -G -d a=1 -d b=2 http://a.test/c", "GET", "/c?a=1&b=2"),
            ("curl -I http://a.test/", "HEAD", "/"),
            ("curl -T file http://a.test/f", "PUT", "/f"),
            ("curl -o out -m 5 --retry 3 http://a.test/", "GET", "/"),
            ("curl --json '{}' http://a.test/", "POST", "/"),
            ("/usr/bin/curl -F a=@b http://a.test/", "POST", "/"),
            ("curl -X DELETE --data-raw x -- http://a.test/", "DELETE", "/"),
        ] {
            let found = sent(line);
            let found = (
                String::from_utf8_lossy(&found.method).into_owned(),
                String::from_utf8_lossy(&found.target).into_owned(),
            );
            assert_eq!(found, (method.to_owned(), target.to_owned()), "{line}");
        }
        assert_eq!(sent("curl -u u:p a.test").header("authorization"), Some(&b"Basic dTpw"[..]));
        assert_eq!(sent("curl -H 'User-Agent:' a.test").header("user-agent"), None);
        assert_eq!(sent("curl -A x a.test").header("user-agent"), Some(&b"x"[..]));
        assert_eq!(sent("curl -H 'Host: b.test' a.test").host, b"b.test");
    }

    #[test]
    fn what_is_no_command() {
        for line in [
            "",
            "wget a.test",
            "curl",
            "curl -H",
            "curl -H x a.test",
            "curl --next a b",
            "curl -b jar a.test",
            "curl 'a",
            "curl -é a.test",
        ] {
            assert!(from_curl(line.as_bytes()).is_err(), "{line}");
        }
    }
}
