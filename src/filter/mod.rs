//! The proxy-wasm filter: contexts, and calls to the host. What it does with a request stands in [`crate::adapter`].

#[cfg(not(feature = "nginx"))]
mod console;
mod host;
#[cfg(feature = "nginx")]
mod nginx;
mod proxy;
mod root;
mod shared;
#[cfg(feature = "nginx")]
mod slack;
mod stream;
mod wire;
#[cfg(feature = "nginx")]
mod without;

use std::rc::Rc;
use std::sync::Arc;
#[cfg(not(feature = "nginx"))]
use std::time::Duration;

use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{ContextType, LogLevel};

use crate::adapter::Plugin;
#[cfg(not(feature = "nginx"))]
use crate::adapter::{A_MOMENT, InForce};
#[cfg(not(feature = "nginx"))]
use console::{Console, Visit};
use proxy::Proxy;
use stream::{Stream, Unjudged};
#[cfg(feature = "nginx")]
use without::{Console, InForce, Visit};

// Nothing but this may happen here: the host answers no other call yet.
proxy_wasm::main! {{
    proxy_wasm::set_log_level(LogLevel::Info);
    proxy_wasm::set_root_context(|id| Box::new(Root { id, role: Role::None }));
}}

/// One configuration of the filter in one worker.
struct Root {
    id: u32,
    role: Role,
}

/// What a configuration makes of it.
enum Role {
    /// No configuration was accepted yet.
    None,
    /// It judges requests.
    Filter(Arc<Plugin<Proxy>>, InForce<Proxy>),
    /// It answers operators.
    Console(Rc<Console>),
}

impl Role {
    fn of(document: Vec<u8>, root: u32) -> Result<Self, String> {
        if let Some(console) = Console::open(Proxy { root }, &document) {
            return console.map(|console| Self::Console(Rc::new(console)));
        }
        #[expect(clippy::arc_with_non_send_sync, reason = "where threads share it, it is both")]
        let plugin = Arc::new(Plugin::open(Proxy { root }, &document)?);
        #[cfg(not(feature = "nginx"))]
        host::set_tick_period(A_MOMENT);
        let in_force = InForce::new(&plugin, document, 1);
        Ok(Self::Filter(plugin, in_force))
    }
}

#[cfg(not(feature = "nginx"))]
impl Drop for Role {
    fn drop(&mut self) {
        // Envoy's timer may outlive its context.
        if matches!(self, Self::Filter(..)) {
            host::set_tick_period(Duration::ZERO);
        }
    }
}

/// Connections to Redis, which to the proxy are gRPC streams.
impl Context for Root {
    fn on_grpc_stream_message(&mut self, connection: u32, size: usize) {
        match &self.role {
            Role::None => {}
            Role::Filter(plugin, _) => root::on_received(plugin, connection, size),
            Role::Console(console) => console.on_received(connection, &wire::received(size)),
        }
    }

    fn on_grpc_stream_close(&mut self, connection: u32, _status: u32) {
        match &self.role {
            Role::None => {}
            Role::Filter(plugin, _) => root::on_closed(plugin, connection),
            Role::Console(console) => console.on_closed(connection),
        }
    }
}

impl RootContext for Root {
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
        if let Role::Filter(plugin, _) = &self.role {
            root::on_wake(plugin, queue);
        }
    }

    fn on_tick(&mut self) {
        match &mut self.role {
            Role::None => {}
            Role::Filter(plugin, in_force) => {
                let next = in_force.on_tick();
                // While a connection is watched, ticks come as they come.
                if !root::on_tick(plugin) {
                    host::set_tick_period(next);
                }
            }
            Role::Console(console) => host::set_tick_period(console.on_tick()),
        }
    }

    fn create_http_context(&self, context_id: u32) -> Option<Box<dyn HttpContext>> {
        Some(match &self.role {
            Role::None => Box::new(Unjudged),
            Role::Filter(plugin, _) => Box::new(Stream::new(context_id, plugin.clone())),
            Role::Console(console) => Box::new(Visit::new(context_id, console.clone())),
        })
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }
}
