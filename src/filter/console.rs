//! The console in one worker.

use std::rc::Rc;
use std::time::Duration;

use proxy_wasm::hostcalls;
use proxy_wasm::traits::{Context, HttpContext};
use proxy_wasm::types::{Action, BufferType};

use super::proxy::Proxy;
use super::shared::HostData;
use super::{host, wire};
use crate::adapter::console::{self, Desk};
use crate::console::Call;
use crate::redis::Settings;
use crate::reply::LocalReply;
use crate::request::Headers;
use crate::store::{SharedCells, Table, TableName};

/// The console in one worker.
pub(super) type Console = console::Console<Proxy>;

impl Desk for Proxy {
    fn counters_in_use(
        &self,
        _table: Option<&TableName>,
        shared: &SharedCells<HostData>,
    ) -> Option<Self::Counters> {
        Some(Table::new(shared.clone(), shared.agreed_capacity()?))
    }

    fn answer(&self, stream: u32, reply: &LocalReply) {
        wire::enter(stream);
        host::reply(reply, false);
    }

    fn call_back(&self, within: Duration) {
        host::set_tick_period(within);
    }

    fn open(&self, settings: &Settings, commands: Vec<u8>) -> Option<u32> {
        let connection = wire::open(settings.cluster.as_deref()?).ok()?;
        let sent = hostcalls::send_grpc_stream_message(connection, Some(&commands), false);
        if sent.is_err() {
            self.close(connection);
        }
        sent.ok().map(|()| connection)
    }

    fn close(&self, connection: u32) {
        let _ = hostcalls::cancel_grpc_stream(connection);
    }
}

/// One request to the console.
pub(super) struct Visit {
    id: u32,
    console: Rc<Console>,
    inner: console::Visit,
}

impl Visit {
    pub(super) fn new(id: u32, console: Rc<Console>) -> Self {
        Self { id, console, inner: console::Visit::default() }
    }
}

impl Drop for Visit {
    fn drop(&mut self) {
        self.inner.end(&self.console, self.id);
    }
}

impl Context for Visit {}

impl HttpContext for Visit {
    fn on_http_request_headers(&mut self, _count: usize, end_of_stream: bool) -> Action {
        let block = host::request_headers().unwrap_or_default();
        let (to, from) = (host::destination_address(), host::source_address());
        let call = Call { headers: Headers::new(&block), to: &to, from: &from };
        self.inner.on_request_headers(&self.console, self.id, call, end_of_stream);
        Action::Pause
    }

    fn on_http_request_trailers(&mut self, _count: usize) -> Action {
        self.inner.on_request_trailers(&self.console, self.id);
        Action::Pause
    }

    fn on_http_request_body(&mut self, size: usize, end_of_stream: bool) -> Action {
        self.inner.on_request_body(&self.console, self.id, size, end_of_stream, || {
            hostcalls::get_buffer(BufferType::HttpRequestBody, 0, size).ok().flatten().unwrap_or_default()
        });
        Action::Pause
    }
}
