//! The way between the proxy and the core: contexts, and calls to the host. No decision is made here.

#[cfg(not(feature = "nginx"))]
mod console;
mod host;
#[cfg(not(feature = "nginx"))]
mod in_force;
mod metrics;
#[cfg(feature = "nginx")]
mod nginx;
mod passed;
mod redirects;
mod redis;
mod shared;
#[cfg(feature = "nginx")]
mod slack;
mod stream;
mod worker;

use std::rc::Rc;
use std::time::Duration;

use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{ContextType, LogLevel};

#[cfg(not(feature = "nginx"))]
use console::{Console, Visit};
#[cfg(not(feature = "nginx"))]
use in_force::InForce;
use stream::Stream;
use worker::Worker;

// Nothing but this may happen here: the host answers no other call yet.
proxy_wasm::main! {{
    proxy_wasm::set_log_level(LogLevel::Info);
    proxy_wasm::set_root_context(|id| Box::new(Plugin { id, ..Plugin::default() }));
}}

/// One configuration of the filter in one worker.
#[derive(Default)]
struct Plugin {
    id: u32,
    worker: Option<Rc<Worker>>,
    #[cfg(not(feature = "nginx"))]
    in_force: Option<InForce>,
    #[cfg(not(feature = "nginx"))]
    console: Option<Rc<Console>>,
}

/// The connection to Redis, which to the proxy is a gRPC stream.
impl Context for Plugin {
    fn on_grpc_stream_message(&mut self, connection: u32, size: usize) {
        #[cfg(not(feature = "nginx"))]
        if let Some(console) = &self.console {
            console.on_received(connection, size);
        }
        if let Some(worker) = &self.worker {
            worker.on_received(connection, size);
        }
    }

    fn on_grpc_stream_close(&mut self, connection: u32, _status: u32) {
        #[cfg(not(feature = "nginx"))]
        if let Some(console) = &self.console {
            console.on_closed(connection);
        }
        if let Some(worker) = &self.worker {
            worker.on_closed(connection);
        }
    }
}

impl RootContext for Plugin {
    /// False refuses the configuration: at start the proxy exits, later it keeps the one it has.
    fn on_configure(&mut self, _size: usize) -> bool {
        let document = self.get_plugin_configuration().unwrap_or_default();
        #[cfg(not(feature = "nginx"))]
        if let Some(console) = Console::open(&document) {
            return match console {
                Ok(console) => {
                    self.console = Some(Rc::new(console));
                    true
                }
                Err(reason) => {
                    log::error!("the configuration is refused: {reason}");
                    false
                }
            };
        }
        match Worker::new(&document, self.id) {
            Ok(worker) => {
                let worker = Rc::new(worker);
                // nginx hands it to its workers alone, and to none on trial.
                #[cfg(feature = "nginx")]
                log::info!("{worker}");
                #[cfg(not(feature = "nginx"))]
                {
                    self.in_force = Some(InForce::new(worker.clone(), document));
                }
                self.worker = Some(worker);
                true
            }
            Err(reason) => {
                log::error!("the configuration is refused: {reason}");
                false
            }
        }
    }

    fn on_queue_ready(&mut self, queue: u32) {
        if let Some(worker) = &self.worker {
            worker.on_wake(queue);
        }
    }

    fn on_tick(&mut self) {
        #[cfg(not(feature = "nginx"))]
        if let Some(console) = &self.console {
            host::set_tick_period(console.on_tick());
            return;
        }
        #[cfg(not(feature = "nginx"))]
        let next = self.in_force.as_mut().map_or(Duration::ZERO, InForce::on_tick);
        #[cfg(feature = "nginx")]
        let next = Duration::ZERO;
        let is_watching = self.worker.as_ref().is_some_and(|worker| worker.on_tick());
        if !is_watching {
            host::set_tick_period(next);
        }
    }

    fn create_http_context(&self, context_id: u32) -> Option<Box<dyn HttpContext>> {
        #[cfg(not(feature = "nginx"))]
        if let Some(console) = &self.console {
            return Some(Box::new(Visit::new(context_id, console.clone())));
        }
        Some(Box::new(Stream::new(context_id, self.worker.clone())))
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }
}
