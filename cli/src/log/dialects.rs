//! The formats of JSON that are known: what their fields are called.

use super::field::{Edge, Field};
use super::json::Dialect;
use super::time::{TimeForm, Unit};

/// The dialect with this name; any other is that of usual names.
pub(super) fn dialect(name: &str) -> Dialect {
    match name {
        "envoy-json" => envoy(),
        "caddy" => caddy(),
        "traefik-json" => traefik(),
        "cloudflare" => cloudflare(),
        _ => usual(),
    }
}

const fn start(form: TimeForm) -> Field {
    Field::Time(form, Edge::Start)
}

const fn end(form: TimeForm) -> Field {
    Field::Time(form, Edge::End)
}

fn header(name: &str) -> Field {
    Field::Header(name.into())
}

fn envoy() -> Dialect {
    let fields = vec![
        // This project's.
        ("time", start(TimeForm::Iso)),
        ("client", Field::Address),
        ("method", Field::Method),
        ("host", Field::Host),
        ("path", Field::Target),
        ("url", Field::OriginalUrl),
        ("status", Field::Status),
        ("details", Field::Details),
        ("duration_ms", Field::Duration(Unit::Millis)),
        ("grpc_status", Field::GrpcStatus),
        ("user_agent", header("user-agent")),
        ("credential", Field::Credential),
        // Envoy Gateway's, and Istio's.
        ("start_time", start(TimeForm::Iso)),
        ("x-envoy-origin-path", Field::Target),
        ("response_code", Field::Status),
        ("response_code_details", Field::Details),
        ("duration", Field::Duration(Unit::Millis)),
        ("x-forwarded-for", Field::ForwardedFor),
        ("x_forwarded_for", Field::ForwardedFor),
        ("user-agent", header("user-agent")),
        (":authority", Field::Host),
        ("authority", Field::Host),
        ("downstream_remote_address", Field::Address),
    ];
    Dialect::new(fields, false, None)
}

fn caddy() -> Dialect {
    let fields = vec![
        ("ts", end(TimeForm::IsoOrEpoch)),
        // The second is newer, stands behind the first, and minds trusted proxies.
        ("request.remote_ip", Field::Address),
        ("request.client_ip", Field::Address),
        ("request.method", Field::Method),
        ("request.host", Field::Host),
        ("request.uri", Field::Target),
        ("user_id", Field::User),
        ("duration", Field::Duration(Unit::Seconds)),
        ("status", Field::Status),
    ];
    Dialect::new(fields, true, Some(("msg", "handled request")))
}

fn traefik() -> Dialect {
    let fields = vec![
        ("StartUTC", start(TimeForm::Iso)),
        ("ClientHost", Field::Address),
        ("RequestMethod", Field::Method),
        ("RequestHost", Field::Host),
        ("RequestPath", Field::Target),
        ("ClientUsername", Field::User),
        ("Duration", Field::Duration(Unit::Nanos)),
        ("DownstreamStatus", Field::Status),
        ("request_User-Agent", header("user-agent")),
    ];
    Dialect::new(fields, false, None)
}

fn cloudflare() -> Dialect {
    let fields = vec![
        ("EdgeStartTimestamp", start(TimeForm::IsoOrEpoch)),
        ("ClientIP", Field::Address),
        ("ClientRequestMethod", Field::Method),
        ("ClientRequestHost", Field::Host),
        ("ClientRequestURI", Field::Target),
        ("EdgeResponseStatus", Field::Status),
        ("ClientRequestUserAgent", header("user-agent")),
    ];
    Dialect::new(fields, false, None)
}

fn usual() -> Dialect {
    let fields = vec![
        ("time", end(TimeForm::IsoOrEpoch)),
        ("timestamp", end(TimeForm::IsoOrEpoch)),
        ("@timestamp", end(TimeForm::IsoOrEpoch)),
        ("time_iso8601", end(TimeForm::Iso)),
        ("time_local", end(TimeForm::Clf)),
        ("msec", end(TimeForm::Epoch(Unit::Seconds))),
        ("remote_addr", Field::Address),
        ("client_ip", Field::Address),
        ("remote_user", Field::User),
        ("request", Field::RequestLine),
        ("request_method", Field::Method),
        ("method", Field::Method),
        ("request_uri", Field::Target),
        ("uri", Field::Target),
        ("path", Field::Target),
        ("status", Field::Status),
        ("request_time", Field::Duration(Unit::Seconds)),
        ("host", Field::Host),
        ("http_host", Field::Host),
        ("http_user_agent", header("user-agent")),
        ("user_agent", header("user-agent")),
        ("http_x_forwarded_for", Field::ForwardedFor),
        ("credential", Field::Credential),
    ];
    Dialect::new(fields, false, None)
}
