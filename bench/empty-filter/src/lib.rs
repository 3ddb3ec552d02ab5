//! The floor for a filter that is written with the SDK.
//!
//! Without configuration it does nothing: every callback is the SDK's own. With the configuration `deny` it
//! answers each request with a bare `429`: the floor for a denial.

use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{Action, ContextType};

proxy_wasm::main! {{
    proxy_wasm::set_root_context(|_| Box::new(Plugin { denies: false }));
}}

struct Plugin {
    denies: bool,
}

impl Context for Plugin {}

impl RootContext for Plugin {
    fn on_configure(&mut self, _size: usize) -> bool {
        self.denies = self.get_plugin_configuration().is_some_and(|text| text == b"deny");
        true
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }

    fn create_http_context(&self, _id: u32) -> Option<Box<dyn HttpContext>> {
        Some(if self.denies { Box::new(Deny) } else { Box::new(Empty) })
    }
}

struct Empty;

impl Context for Empty {}

impl HttpContext for Empty {}

struct Deny;

impl Context for Deny {}

impl HttpContext for Deny {
    fn on_http_request_headers(&mut self, _count: usize, _end: bool) -> Action {
        self.send_http_response(429, Vec::new(), None);
        Action::Pause
    }
}
