//! What the application has answered, as far as it matters.

/// The answer to a request that was let through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Response {
    /// Its HTTP status.
    pub status: u16,
    /// Its gRPC status, if it answers a gRPC call.
    pub grpc: Option<u32>,
    /// Who made it.
    pub origin: Origin,
}

/// What a request has asked for, as far as it says which answers are a success.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Asked {
    /// Whether the method is GET or HEAD, of which a redirect is no success.
    pub is_safe: bool,
    /// Whether it asks for another protocol, such as a WebSocket.
    pub is_upgrade: bool,
}

/// Who made a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The application.
    Application,
    /// The proxy, and the application was never asked: it is down, or another filter has answered.
    Proxy,
    /// The proxy, since it has lost what the application was asked: that was not answered in time, or broke off.
    Lost,
}

impl Response {
    /// Whether the application has answered with a success, which shows that it has accepted the request's credential.
    ///
    /// - A gRPC call has succeeded if its gRPC status is 0.
    /// - Any other request has if its HTTP status is 2xx; 304, which says that the client has the current version already;
    ///   101, if it has asked for an upgrade such as a WebSocket; or 303, but not to a GET or HEAD: after a POST it leads
    ///   to the result.
    ///
    /// Nothing less will do: an application that looks for no credential says `404`, too, and sends whoever has none to
    /// its login page by `302`.
    #[must_use]
    pub const fn is_success(self, asked: Asked) -> bool {
        if !matches!(self.origin, Origin::Application) {
            return false;
        }
        match (self.grpc, self.status) {
            (Some(grpc), _) => grpc == 0,
            (None, 200..=299 | 304) => true,
            (None, 101) => asked.is_upgrade,
            (None, 303) => !asked.is_safe,
            (None, _) => false,
        }
    }

    /// Whether it is the proxy's word for an answer that never came.
    #[must_use]
    pub const fn is_lost(self) -> bool {
        matches!(self.origin, Origin::Lost)
    }
}

impl Origin {
    /// Who made a response with these details, as Envoy's access log shows them (`%RESPONSE_CODE_DETAILS%`).
    ///
    /// The names are those of Envoy's `ResponseCodeDetailValues`. Without any, the response is taken for the
    /// application's: other proxies tell none. A route's `direct_response` stands for an application, too.
    #[must_use]
    pub fn of_details(details: &[u8]) -> Self {
        match details {
            b"" | b"via_upstream" | b"direct_response" => Self::Application,
            _ if was_asked(details) => Self::Lost,
            _ => Self::Proxy,
        }
    }
}

/// Whether the application may have worked on the request.
fn was_asked(details: &[u8]) -> bool {
    const LOST: [&[u8]; 13] = [
        b"upstream_reset_",
        b"response_timeout",
        b"upstream_response_timeout",
        b"upstream_per_try_",
        b"upstream_max_stream_duration_reached",
        b"stream_idle_timeout",
        b"max_duration_timeout",
        b"request_overall_timeout",
        b"duration_timeout",
        b"response_payload_too_large",
        b"websocket_handshake_unsuccessful",
        b"downstream_",
        b"http",
    ];
    // The reason why a connection was reset before it was of any use: `upstream_reset_before_response_started{…}`.
    const NEVER_SENT: [&[u8]; 4] = [b"connection_failure", b"connection_timeout", b"overflow", b"refused"];
    let contains = |part: &[u8]| memchr::memmem::find(details, part).is_some();
    LOST.iter().any(|prefix| details.starts_with(prefix)) && !NEVER_SENT.iter().any(|part| contains(part))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_success_is() {
        let answer = |status, grpc| Response { status, grpc, origin: Origin::Application };
        let post = Asked::default();
        let get = Asked { is_safe: true, ..post };
        let upgrade = Asked { is_upgrade: true, ..get };
        for (status, asked, is_success) in [
            (101, upgrade, true),
            (101, get, false),
            (303, post, true),
            (303, get, false),
            (303, upgrade, false),
        ] {
            assert_eq!(answer(status, None).is_success(asked), is_success, "{status} {asked:?}");
        }
        for status in [200, 201, 204, 206, 299, 304] {
            assert!(
                answer(status, None).is_success(get) && answer(status, None).is_success(post),
                "{status}"
            );
        }
        for status in [0, 100, 102, 199, 300, 301, 302, 305, 307, 308, 400, 401, 403, 404, 429, 500, 503] {
            assert!(!answer(status, None).is_success(post), "{status}");
        }
        assert!(answer(200, Some(0)).is_success(post) && !answer(200, Some(16)).is_success(post));
        for origin in [Origin::Proxy, Origin::Lost] {
            assert!(!Response { origin, ..answer(200, None) }.is_success(post));
        }
    }

    #[test]
    fn who_made_a_response() {
        for (details, origin) in [
            ("", Origin::Application),
            ("via_upstream", Origin::Application),
            ("direct_response", Origin::Application),
            ("no_healthy_upstream", Origin::Proxy),
            ("cluster_not_found", Origin::Proxy),
            ("cors_response", Origin::Proxy),
            ("jwt_authn_access_denied{Jwt_is_missing}", Origin::Proxy),
            ("upstream_reset_before_response_started{connection_failure}", Origin::Proxy),
            (
                "upstream_reset_before_response_started{remote_connection_failure|delayed_connect_error:_111}",
                Origin::Proxy,
            ),
            ("upstream_reset_before_response_started{connection_timeout}", Origin::Proxy),
            ("upstream_reset_before_response_started{overflow}", Origin::Proxy),
            ("upstream_reset_before_response_started{remote_refused_stream_reset}", Origin::Proxy),
            ("upstream_reset_before_response_started{connection_termination}", Origin::Lost),
            ("upstream_reset_before_response_started{remote_reset}", Origin::Lost),
            ("upstream_reset_after_response_started{protocol_error}", Origin::Lost),
            ("response_timeout", Origin::Lost),
            ("upstream_response_timeout", Origin::Lost),
            ("upstream_per_try_timeout", Origin::Lost),
            ("stream_idle_timeout", Origin::Lost),
            ("http1.codec_error", Origin::Lost),
        ] {
            assert_eq!(Origin::of_details(details.as_bytes()), origin, "{details}");
        }
    }
}
