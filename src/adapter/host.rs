//! What an adapter has to bring: its proxy, as the rest of this room sees it.

use std::borrow::Cow;

use super::wire::Wire;
use crate::access_log::Field;
use crate::config::Config;
use crate::redis::Settings;
use crate::request::Properties;
use crate::response::Origin;
use crate::store::{Counters, SharedCells, SharedData, TableName, Unavailable};
use crate::time::Time;

/// A proxy.
pub trait Host: Sized + 'static {
    /// Where it keeps counters.
    type Counters: Counters;
    /// Where its workers agree on something.
    type Data: SharedData;
    /// Its metrics.
    type Meter: Meter;
    /// Its connection to Redis.
    type Wire: Wire;

    /// A clock that never goes back, the same for all workers.
    fn now(&self) -> Time;

    /// The wall clock, in seconds since 1970.
    fn unix_time(&self) -> u64;

    /// Random bytes.
    ///
    /// # Errors
    /// If there are none.
    fn random(&self) -> Result<[u8; 16], Unavailable>;

    /// An environment variable that a configuration may name.
    fn environment_variable(&self, name: &str) -> Option<Vec<u8>>;

    /// The name that the plugin has in the proxy's configuration; empty if it has none.
    fn plugin_name(&self) -> Cow<'_, [u8]>;

    /// How many workers share what a plugin has.
    fn workers(&self) -> u32;

    /// Its metrics.
    fn meter(&self) -> Self::Meter;

    /// The part of a configuration that is this proxy's: of the ways to Redis its own.
    ///
    /// # Errors
    /// If it cannot do what the configuration asks for: the text names the field, and says what to write instead.
    fn fit(&self, config: Config) -> Result<Config, String>;

    /// Where workers agree on something, under the name that the table of counters has, if it has one.
    ///
    /// # Errors
    /// If there is no such place; as text.
    fn shared(&self, table: Option<TableName>) -> Result<SharedCells<Self::Data>, String>;

    /// The counters of this configuration.
    ///
    /// # Errors
    /// If there is no room for them; as text.
    fn counters(&self, config: &Config, shared: &SharedCells<Self::Data>) -> Result<Self::Counters, String>;

    /// The way to Redis; no connection is opened yet.
    ///
    /// # Errors
    /// If the settings do not say how this proxy reaches it; as text.
    fn wire(&self, settings: &Settings) -> Result<Self::Wire, String>;
}

/// A proxy's metrics. An id that is not known counts nothing: a request is not to fail for it.
pub trait Meter {
    /// The metric with this name, which is made if it is not there.
    fn define(&self, kind: Kind, name: &str) -> u32;

    /// The metric with this name may be needed later. For proxies that make metrics only while a configuration is opened.
    fn prepare(&self, _kind: Kind, _name: &str) {}

    /// Adds to a counter or gauge.
    fn add(&self, metric: u32, by: i64);

    /// Sets a gauge, or adds a value to a histogram.
    fn record(&self, metric: u32, value: u64);

    /// How far a counter or gauge has come.
    fn value(&self, metric: u32) -> u64;
}

/// What kind of metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Goes up.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Counts values by their size.
    Histogram,
}

/// One request at the proxy, and its response.
pub trait Stream: Properties {
    /// A number that no other request has which is under way.
    fn id(&self) -> u32;

    /// The first value of this header of the response, whose headers have come.
    fn response_header(&self, name: &str) -> Option<Cow<'_, [u8]>>;

    /// The first value of this trailer of the response, whose trailers have come.
    fn response_trailer(&self, name: &str) -> Option<Cow<'_, [u8]>>;

    /// Why the response is what it is, as the proxy's access log shows it; empty if the proxy does not know.
    fn code_details(&self) -> Cow<'_, [u8]>;

    /// Who has made the response.
    fn origin(&self) -> Origin {
        Origin::of_details(&self.code_details())
    }

    /// How often the proxy has redirected this request already.
    fn redirects(&self) -> u32;

    /// The connection that the request has come by; 0 if the proxy does not know.
    fn connection(&self) -> u64;

    /// Sets a header of the response, in place of any that has its name.
    fn set_response_header(&mut self, name: &str, value: &str);

    /// Whether this field of the proxy's access log was set, by this gate or an earlier one of the same chain.
    fn has_logged(&self, field: Field) -> bool;

    /// Sets this field of the proxy's access log.
    fn set_logged(&mut self, field: Field, value: &str);
}
