//! The way between the proxy and the core: contexts, and calls to the host. No decision is made here.

mod host;
mod metrics;
mod shared;
mod stream;
mod worker;

use std::rc::Rc;

use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{ContextType, LogLevel};

use stream::Stream;
use worker::Worker;

// Nothing but this may happen here: the host answers no other call yet.
proxy_wasm::main! {{
    proxy_wasm::set_log_level(LogLevel::Info);
    proxy_wasm::set_root_context(|_| Box::new(Plugin(None)));
}}

/// One configuration of the filter in one worker.
struct Plugin(Option<Rc<Worker>>);

impl Context for Plugin {}

impl RootContext for Plugin {
    /// False refuses the configuration: at start the proxy exits, later it keeps the one it has.
    fn on_configure(&mut self, _size: usize) -> bool {
        let document = self.get_plugin_configuration().unwrap_or_default();
        match Worker::open(&document) {
            Ok(worker) => {
                log::info!("{worker}");
                self.0 = Some(Rc::new(worker));
                true
            }
            Err(reason) => {
                log::error!("the configuration is refused: {reason}");
                false
            }
        }
    }

    fn create_http_context(&self, _context_id: u32) -> Option<Box<dyn HttpContext>> {
        Some(Box::new(Stream::new(self.0.clone())))
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }
}
