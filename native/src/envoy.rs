//! Envoy, as the rest of the project sees it.

use std::borrow::Cow;
use std::ffi::OsString;
use std::sync::{Arc, OnceLock};
use std::time::{Instant, SystemTime};

use tollgate::adapter::Host;
use tollgate::config::Config;
use tollgate::redis::Settings;
use tollgate::store::{MemoryTable, SharedCells, TableName, Unavailable};
use tollgate::time::Time;

use crate::console::Papers;
use crate::meter::Meter;
use crate::redis::RedisWire;
use crate::tables::{MemoryData, Space};

/// Envoy, as one configuration sees it.
pub(crate) struct Envoy {
    /// The filter's name in Envoy's configuration.
    pub(crate) name: Vec<u8>,
    pub(crate) meter: Meter,
    /// How many workers it has.
    pub(crate) workers: u32,
    /// Of a console.
    pub(crate) papers: Arc<Papers>,
}

impl Host for Envoy {
    type Counters = Arc<MemoryTable>;
    type Data = MemoryData;
    type Meter = Meter;
    type Wire = RedisWire;

    fn now(&self) -> Time {
        now()
    }

    fn unix_time(&self) -> u64 {
        SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs())
    }

    fn random(&self) -> Result<[u8; 16], Unavailable> {
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes).map_err(|_| Unavailable)?;
        Ok(bytes)
    }

    fn environment_variable(&self, name: &str) -> Option<Vec<u8>> {
        std::env::var_os(name).map(OsString::into_encoded_bytes)
    }

    fn plugin_name(&self) -> Cow<'_, [u8]> {
        (&self.name[..]).into()
    }

    fn workers(&self) -> u32 {
        self.workers
    }

    fn meter(&self) -> Meter {
        self.meter.clone()
    }

    fn fit(&self, config: Config) -> Result<Config, String> {
        config.by_url().map_err(|error| error.to_string())
    }

    fn shared(&self, table: Option<TableName>) -> Result<SharedCells<MemoryData>, String> {
        SharedCells::open(Space::of(table.as_ref()).agreed())
    }

    fn counters(&self, config: &Config, _shared: &SharedCells<MemoryData>) -> Result<Self::Counters, String> {
        let table = Space::of(config.table.as_ref()).table(config.capacity);
        // Envoy opens one after the other.
        table.ok_or_else(|| "store.capacity: another policy has laid out the table meanwhile".to_owned())
    }

    fn wire(&self, settings: &Settings) -> Result<RedisWire, String> {
        RedisWire::new(settings)
    }
}

/// The monotonic clock, the same for all threads: how long ago it was first looked at.
fn now() -> Time {
    static START: OnceLock<Instant> = OnceLock::new();
    let since = START.get_or_init(Instant::now).elapsed();
    Time::from_nanos(u64::try_from(since.as_nanos()).unwrap_or(u64::MAX))
}
