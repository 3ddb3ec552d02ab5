//! What a policy says about its Redis, ready for use.

use std::sync::Arc;

use tokio_rustls::TlsConnector;
use tollgate::redis::{Address, Commands, Settings, hash_tag, put_command, slot};

use crate::tls;

/// How one Redis is reached. A copy costs nothing.
#[derive(Clone)]
pub struct Target(Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) address: Address,
    pub(crate) tls: Option<TlsConnector>,
    /// The login, as it is sent; empty without one.
    pub(crate) login: Vec<u8>,
    /// In a cluster: where all keys are.
    pub(crate) slot: u16,
}

impl Target {
    /// The Redis of these settings. With TLS, this reads the certificates that are trusted; it is to be made once for each policy, when
    /// that is taken into use.
    ///
    /// # Errors
    /// Which field is wrong and why: there is no `url`, or the certificates cannot be read.
    pub fn new(settings: &Settings) -> Result<Self, String> {
        let address = settings.url.clone().ok_or("store.redis.url: is missing")?;
        let tls = if address.is_tls { Some(tls::connector(settings.ca.as_deref())?) } else { None };
        let mut login = Vec::new();
        Commands::new(String::new(), settings.login.clone()).login(&mut login);
        let slot = slot(hash_tag(&settings.prefix).unwrap_or(&settings.prefix));
        Ok(Self(Arc::new(Inner { address, tls, login, slot })))
    }

    pub(crate) fn inner(&self) -> &Inner {
        &self.0
    }
}

impl Inner {
    /// What is said first on each connection, and how many replies it has. The caller logs in by itself, but behind that there would be
    /// no place to choose a database.
    pub(crate) fn greeting(&self) -> (Vec<u8>, usize) {
        let database = self.address.database;
        if database == 0 {
            return (Vec::new(), 0);
        }
        let mut greeting = self.login.clone();
        put_command(&mut greeting, &[b"SELECT", database.to_string().as_bytes()]);
        (greeting, 1 + usize::from(!self.login.is_empty()))
    }
}

impl std::fmt::Debug for Target {
    /// Without the login.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Target").field(&self.0.address.to_string()).finish()
    }
}
