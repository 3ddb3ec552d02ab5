//! The formats that are known by themselves.

use super::dialects::dialect;
use super::field::{Field, Line, Skip};
use super::json::Dialect;
use super::notation;
use super::pattern::Pattern;
use crate::output::printable;

/// How to read the lines of one log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Format {
    name: &'static str,
    engine: Engine,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Engine {
    Text(Pattern),
    Json(Dialect),
}

/// Why a log or a format is refused.
pub type Refusal = String;

/// Of text: a name, what it is written as, and what stands in the help. Those that say more stand first, since some read the
/// lines of others, but for their end.
const TEXTS: [(&str, &str, &str); 8] = [
    ("traefik", TRAEFIK, "Traefik's CLF; its time is the request's start, in whole seconds"),
    ("envoy", ENVOY, "Envoy's default text; start, in milliseconds"),
    ("istio", ISTIO, "Istio's text; start, in milliseconds"),
    ("alb", ALB, "AWS Application Load Balancer; start and end, in microseconds"),
    ("vhost_combined", VHOST, "combined behind a host, of nginx or Apache; see combined"),
    ("nginx-main", MAIN, "combined with X-Forwarded-For behind it, as nginx' own packages set it up"),
    (
        "combined",
        COMBINED,
        "nginx, Apache, gunicorn; one moment in whole seconds (nginx: the end; Apache: the start)",
    ),
    ("common", COMMON, "the same without referrer and user agent"),
];

const COMMON: &str = r#"$remote_addr $ident $remote_user [$time_local] "$request" $status $body_bytes_sent"#;
const COMBINED: &str = r#"$remote_addr $ident $remote_user [$time_local] "$request" $status $body_bytes_sent "$referer" "$http_user_agent""#;
const MAIN: &str = r#"$remote_addr $ident $remote_user [$time_local] "$request" $status $body_bytes_sent "$referer" "$http_user_agent" "$http_x_forwarded_for""#;
const VHOST: &str = r#"$host $remote_addr $ident $remote_user [$time_local] "$request" $status $body_bytes_sent "$referer" "$http_user_agent""#;
const TRAEFIK: &str =
    r#"%h %l %u %t "%r" %>s %b "%{Referer}i" "%{User-Agent}i" %{count}x "%{router}x" "%{server}x" %{ms}Tms"#;
const ENVOY: &str = r#"[%START_TIME%] "%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%" %RESPONSE_CODE% %RESPONSE_FLAGS% %BYTES_RECEIVED% %BYTES_SENT% %DURATION% %RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% "%REQ(X-FORWARDED-FOR)%" "%REQ(USER-AGENT)%" "%REQ(X-REQUEST-ID)%" "%REQ(:AUTHORITY)%" "%UPSTREAM_HOST%""#;
const ISTIO: &str = r#"[%START_TIME%] "%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%" %RESPONSE_CODE% %RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS% %CONNECTION_TERMINATION_DETAILS% "%UPSTREAM_TRANSPORT_FAILURE_REASON%" %BYTES_RECEIVED% %BYTES_SENT% %DURATION% %RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% "%REQ(X-FORWARDED-FOR)%" "%REQ(USER-AGENT)%" "%REQ(X-REQUEST-ID)%" "%REQ(:AUTHORITY)%" "%UPSTREAM_HOST%" %UPSTREAM_CLUSTER_RAW% %UPSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_REMOTE_ADDRESS% %REQUESTED_SERVER_NAME% %ROUTE_NAME%"#;
const ALB: &str = r#"$type $time_iso8601 $elb $remote_addr $target $request_processing $target_processing $response_processing $status $target_status $received $sent "$request" "$http_user_agent" $cipher $protocol $target_group "$trace" "$host" "$certificate" $rule $start_iso8601"#;

/// Of JSON: a name, and what stands in the help.
const JSONS: [(&str, &str); 5] = [
    (
        "envoy-json",
        "the JSON of this project's envoy/*.yaml, of Envoy Gateway, of Istio; start, in milliseconds",
    ),
    ("caddy", "Caddy's JSON; end less duration, in microseconds"),
    ("traefik-json", "Traefik's JSON; start, in nanoseconds"),
    ("cloudflare", "Cloudflare Logpush, http_requests; start"),
    (
        "json",
        "any other whose fields have the usual names (`time`, `remote_addr`, `method`, `path`, `status`, …)",
    ),
];

/// The names of the formats that are known, each with what it is, for the help.
pub fn names() -> impl Iterator<Item = (&'static str, &'static str)> {
    let texts = TEXTS.iter().map(|(name, _, words)| (*name, *words));
    texts.chain(JSONS.iter().copied())
}

impl Format {
    /// The format with this name, or the one that this string describes in the notation of nginx, Apache or Envoy. `credential` is
    /// the field by which users are told apart, if it is another than the format has anyway.
    ///
    /// # Errors
    /// If it has no time or no request, or cannot be read.
    pub fn parse(text: &str, credential: Option<&str>) -> Result<Self, Refusal> {
        let format = match Self::known(credential)?.into_iter().find(|known| known.name == text) {
            Some(known) => known,
            None if ["uvicorn", "hypercorn"].contains(&text) => return Err(UVICORN.into()),
            None => Self { name: "custom", engine: Engine::Text(notation::parse(text, credential, false)?) },
        };
        format.check()?;
        Ok(format)
    }

    /// The format that most of these lines have.
    ///
    /// # Errors
    /// If none is known that at least half of them have.
    pub fn of(lines: &[&[u8]], credential: Option<&str>) -> Result<Self, Refusal> {
        let mut best = None;
        for format in Self::known(credential)? {
            let (mut read, mut addresses) = (0, 0);
            for line in lines {
                let line = format.read(line);
                read += usize::from(matches!(line, Ok(_) | Err(Skip::NoRequest)));
                addresses += usize::from(line.is_ok_and(|line| line.names_client()));
            }
            // Of equals the first; but what finds no address has not understood the line.
            if best.as_ref().is_none_or(|(most, _)| (read, addresses) > *most) {
                best = Some(((read, addresses), format));
            }
        }
        match best {
            Some(((read, _), format)) if read * 2 >= lines.len() && read > 0 => Ok(format),
            _ => Err(unknown(lines)),
        }
    }

    /// Its name.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// What a line says.
    pub(crate) fn read<'a>(&'a self, line: &'a [u8]) -> Result<Line<'a>, Skip> {
        match &self.engine {
            Engine::Text(pattern) => pattern.read(line),
            Engine::Json(dialect) => dialect.read(line),
        }
    }

    /// Whether it tells one of these fields.
    pub(crate) fn tells(&self, is_it: impl Fn(&Field) -> bool) -> bool {
        match &self.engine {
            Engine::Text(pattern) => pattern.fields().any(is_it),
            Engine::Json(dialect) => dialect.fields().any(is_it),
        }
    }

    /// Whether it tells all headers that a client has sent.
    pub(crate) const fn tells_headers(&self) -> bool {
        matches!(&self.engine, Engine::Json(dialect) if dialect.tells_headers())
    }

    fn known(credential: Option<&str>) -> Result<Vec<Self>, Refusal> {
        let text = |(name, form, _): &(&'static str, &str, &str)| {
            // What another server has appended does not matter.
            let engine = Engine::Text(notation::parse(form, None, true)?);
            Ok(Self { name, engine })
        };
        let json = |(name, _): &(&'static str, &str)| {
            let dialect = dialect(name);
            let dialect = match credential {
                Some(credential) => dialect.with_credential(credential),
                None => dialect,
            };
            Ok(Self { name, engine: Engine::Json(dialect) })
        };
        TEXTS.iter().map(text).chain(JSONS.iter().map(json)).collect()
    }

    fn check(&self) -> Result<(), Refusal> {
        let missing = if !self.tells(|field| matches!(field, Field::Time(..))) {
            "no time (`$msec`, `$time_local`, `%t`): without it nothing can be said about rates"
        } else if !self.tells(|field| matches!(field, Field::RequestLine | Field::Target)) {
            "no request (`$request`, `%r`)"
        } else if !self.tells(|field| matches!(field, Field::RequestLine | Field::Method)) {
            "no method (`$request`, `$request_method`, `%r`)"
        } else {
            return Ok(());
        };
        Err(format!("the log format has {missing}"))
    }
}

const UVICORN: &str = "this is uvicorn's access log, which tells no time, and without it nothing can be said about rates. Let it \
                       write one: by a `--log-config` whose access formatter begins with `%(asctime)s`, or take the log of the proxy \
                       in front of it";

/// Why lines are of no known format.
fn unknown(lines: &[&[u8]]) -> Refusal {
    let first = lines.first().copied().unwrap_or_default();
    let is_uvicorn =
        |line: &&&[u8]| line.starts_with(b"INFO:") && memchr::memmem::find(line, b" - \"").is_some();
    if lines.iter().any(|line| is_uvicorn(&line)) {
        return UVICORN.into();
    }
    let shown = printable(first, 160);
    let names: Vec<&str> = names().map(|(name, _)| name).collect();
    format!(
        "the format is not known. Name it by --log-format: {}, or a format string as nginx, Apache or Envoy have it. The first line is: \
         {shown}",
        names.join(", ")
    )
}
