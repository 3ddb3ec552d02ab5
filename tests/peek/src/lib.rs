//! A filter that shows what stands in shared data. For tests only.
//!
//! `GET /NAME` is answered with the bytes of the entry `NAME`, or with 404 if there is none. Loaded under the
//! `vm_id` of another filter, it sees that filter's entries.

use proxy_wasm::traits::{Context, HttpContext};
use proxy_wasm::types::{Action, LogLevel};

proxy_wasm::main! {{
    proxy_wasm::set_log_level(LogLevel::Info);
    proxy_wasm::set_http_context(|_, _| Box::new(Peek));
}}

struct Peek;

impl Context for Peek {}

impl HttpContext for Peek {
    fn on_http_request_headers(&mut self, _count: usize, _end_of_stream: bool) -> Action {
        let path = self.get_http_request_header(":path").unwrap_or_default();
        match self.get_shared_data(path.trim_start_matches('/')) {
            (Some(value), _) => self.send_http_response(200, vec![], Some(&value)),
            (None, _) => self.send_http_response(404, vec![], None),
        }
        Action::Pause
    }
}
