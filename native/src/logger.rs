//! What the rest of the project tells the log goes to Envoy's.

use log::{LevelFilter, Log, Metadata, Record};

use crate::abi::{self, Level};

struct Logger;

impl Log for Logger {
    fn enabled(&self, metadata: &Metadata) -> bool {
        metadata.target().starts_with("tollgate") && abi::logs(level(metadata.level()))
    }

    fn log(&self, record: &Record) {
        if self.enabled(record.metadata()) {
            abi::log(level(record.level()), &format!("tollgate: {}", record.args()));
        }
    }

    fn flush(&self) {}
}

fn level(of: log::Level) -> Level {
    match of {
        log::Level::Error => Level::Error,
        log::Level::Warn => Level::Warn,
        log::Level::Info => Level::Info,
        log::Level::Debug | log::Level::Trace => Level::Debug,
    }
}

/// Has Envoy's log told, from now on. Once is enough; more often does no harm.
pub(crate) fn install() {
    if log::set_logger(&Logger).is_ok() {
        log::set_max_level(LevelFilter::Info);
    }
}
