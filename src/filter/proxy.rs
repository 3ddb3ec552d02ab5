//! The proxy, and one request there, as the rest of the project sees them. The proxy does what is asked for the context that is at work:
//! there is nothing to remember but its number.

use std::borrow::Cow;

use proxy_wasm::hostcalls;
use proxy_wasm::types::MetricType;

use super::host;
#[cfg(feature = "nginx")]
use super::nginx;
use super::shared::HostData;
use super::wire::GrpcWire;
use crate::access_log::Field;
use crate::adapter::{Host, Kind, Meter, Stream};
use crate::config::Config;
use crate::redis::Settings;
use crate::request::Properties;
use crate::response::Origin;
use crate::store::{SharedCells, Table, TableName, Unavailable};
use crate::time::Time;

/// The proxy, as a root context sees it.
pub(super) struct Proxy {
    /// The root context.
    pub(super) root: u32,
}

impl Host for Proxy {
    type Counters = Table<SharedCells<HostData>>;
    type Data = HostData;
    type Meter = HostMeter;
    type Wire = GrpcWire;

    fn now(&self) -> Time {
        host::now()
    }

    fn unix_time(&self) -> u64 {
        host::unix_time()
    }

    fn random(&self) -> Result<[u8; 16], Unavailable> {
        host::random()
    }

    fn environment_variable(&self, name: &str) -> Option<Vec<u8>> {
        host::environment_variable(name)
    }

    fn plugin_name(&self) -> Cow<'_, [u8]> {
        host::plugin_name().into()
    }

    /// Each has a virtual machine of its own.
    fn workers(&self) -> u32 {
        1
    }

    fn meter(&self) -> HostMeter {
        HostMeter
    }

    fn fit(&self, config: Config) -> Result<Config, String> {
        #[cfg(feature = "nginx")]
        nginx::check(&config)?;
        config.by_cluster().map_err(|error| error.to_string())
    }

    fn shared(&self, table: Option<TableName>) -> Result<SharedCells<HostData>, String> {
        SharedCells::open(HostData)?.of_table(table)
    }

    fn counters(&self, config: &Config, shared: &SharedCells<HostData>) -> Result<Self::Counters, String> {
        Ok(Table::new(shared.clone(), config.capacity))
    }

    fn wire(&self, settings: &Settings) -> Result<GrpcWire, String> {
        Ok(GrpcWire::new(settings, self.root))
    }
}

/// The proxy's metrics.
#[derive(Clone, Copy)]
pub(super) struct HostMeter;

impl Meter for HostMeter {
    fn define(&self, kind: Kind, name: &str) -> u32 {
        let kind = match kind {
            Kind::Counter => MetricType::Counter,
            Kind::Gauge => MetricType::Gauge,
            Kind::Histogram => MetricType::Histogram,
        };
        hostcalls::define_metric(kind, name).unwrap_or_default()
    }

    fn add(&self, metric: u32, by: i64) {
        let _ = hostcalls::increment_metric(metric, by);
    }

    fn record(&self, metric: u32, value: u64) {
        let _ = hostcalls::record_metric(metric, value);
    }

    fn value(&self, metric: u32) -> u64 {
        hostcalls::get_metric(metric).unwrap_or_default()
    }
}

/// The stream with this number, whose context is at work.
pub(super) struct AtWork(pub(super) u32);

impl Properties for AtWork {
    fn source_address(&self) -> Cow<'_, [u8]> {
        host::source_address().into()
    }

    fn jwt_claim(&self, name: &str) -> Option<Cow<'_, [u8]>> {
        host::jwt_claim(name).map(Cow::Owned)
    }
}

impl Stream for AtWork {
    fn id(&self) -> u32 {
        self.0
    }

    fn response_header(&self, name: &str) -> Option<Cow<'_, [u8]>> {
        host::response_header(name).map(Cow::Owned)
    }

    fn response_trailer(&self, name: &str) -> Option<Cow<'_, [u8]>> {
        host::response_trailer(name).map(Cow::Owned)
    }

    fn code_details(&self) -> Cow<'_, [u8]> {
        host::code_details().into()
    }

    fn origin(&self) -> Origin {
        host::origin()
    }

    fn redirects(&self) -> u32 {
        host::redirects()
    }

    fn connection(&self) -> u64 {
        host::connection()
    }

    fn set_response_header(&mut self, name: &str, value: &str) {
        host::set_response_header(name, value);
    }

    fn has_logged(&self, field: Field) -> bool {
        host::has_logged(field)
    }

    fn set_logged(&mut self, field: Field, value: &str) {
        host::set_logged(field, value);
    }
}
