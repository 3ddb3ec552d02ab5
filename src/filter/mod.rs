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
#[cfg(feature = "nginx")]
mod without;
mod worker;

use std::rc::Rc;

use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{ContextType, LogLevel};

#[cfg(not(feature = "nginx"))]
use console::{Console, Visit};
#[cfg(not(feature = "nginx"))]
use in_force::InForce;
use stream::Stream;
#[cfg(feature = "nginx")]
use without::{Console, InForce, Visit};
use worker::Worker;

// Nothing but this may happen here: the host answers no other call yet.
proxy_wasm::main! {{
    proxy_wasm::set_log_level(LogLevel::Info);
    proxy_wasm::set_root_context(|id| Box::new(Plugin { id, role: Role::None }));
}}

/// One configuration of the filter in one worker.
struct Plugin {
    id: u32,
    role: Role,
}

/// What a configuration makes of it.
enum Role {
    /// No configuration was accepted yet.
    None,
    /// It judges requests.
    Filter(Rc<Worker>, InForce),
    /// It answers operators.
    Console(Rc<Console>),
}

impl Role {
    fn of(document: Vec<u8>, root: u32) -> Result<Self, String> {
        if let Some(console) = Console::open(&document) {
            return console.map(|console| Self::Console(Rc::new(console)));
        }
        let worker = Rc::new(Worker::new(&document, root)?);
        let in_force = InForce::new(&worker, document);
        Ok(Self::Filter(worker, in_force))
    }
}

/// Connections to Redis, which to the proxy are gRPC streams.
impl Context for Plugin {
    fn on_grpc_stream_message(&mut self, connection: u32, size: usize) {
        match &self.role {
            Role::None => {}
            Role::Filter(worker, _) => worker.on_received(connection, size),
            Role::Console(console) => console.on_received(connection, size),
        }
    }

    fn on_grpc_stream_close(&mut self, connection: u32, _status: u32) {
        match &self.role {
            Role::None => {}
            Role::Filter(worker, _) => worker.on_closed(connection),
            Role::Console(console) => console.on_closed(connection),
        }
    }
}

impl RootContext for Plugin {
    /// False refuses the configuration: at start the proxy exits, later it keeps the one it has.
    fn on_configure(&mut self, _size: usize) -> bool {
        let document = self.get_plugin_configuration().unwrap_or_default();
        match Role::of(document, self.id) {
            Ok(role) => {
                self.role = role;
                true
            }
            Err(reason) => {
                log::error!("the configuration is refused: {reason}");
                false
            }
        }
    }

    fn on_queue_ready(&mut self, queue: u32) {
        if let Role::Filter(worker, _) = &self.role {
            worker.on_wake(queue);
        }
    }

    fn on_tick(&mut self) {
        match &mut self.role {
            Role::None => {}
            Role::Filter(worker, in_force) => {
                let next = in_force.on_tick();
                // While a connection is watched, ticks come as they come.
                if !worker.on_tick() {
                    host::set_tick_period(next);
                }
            }
            Role::Console(console) => host::set_tick_period(console.on_tick()),
        }
    }

    fn create_http_context(&self, context_id: u32) -> Option<Box<dyn HttpContext>> {
        Some(match &self.role {
            Role::None => Box::new(Stream::new(context_id, None)),
            Role::Filter(worker, _) => Box::new(Stream::new(context_id, Some(worker.clone()))),
            Role::Console(console) => Box::new(Visit::new(context_id, console.clone())),
        })
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }
}
