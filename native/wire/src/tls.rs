//! Whom to trust.

use std::path::Path;
use std::sync::Arc;

use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

/// Connects by TLS 1.2 or 1.3 to servers whose certificates are signed by those in this file, or else by those that the system trusts.
///
/// # Errors
/// If there are none, or they cannot be read.
pub(crate) fn connector(ca: Option<&str>) -> Result<TlsConnector, String> {
    let roots = match ca {
        Some(path) => of_file(path).map_err(|reason| format!("store.redis.ca: {reason}"))?,
        None => of_system().map_err(|reason| format!("store.redis.url: {reason}"))?,
    };
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| format!("store.redis.url: TLS cannot be used here: {error}"))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}

fn of_file(path: &str) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    let file = std::fs::read(Path::new(path)).map_err(|error| format!("the file cannot be read: {error}"))?;
    for certificate in CertificateDer::pem_slice_iter(&file) {
        let certificate =
            certificate.map_err(|error| format!("the file is not one of certificates in PEM: {error}"))?;
        roots
            .add(certificate)
            .map_err(|error| format!("a certificate in the file cannot be used: {error}"))?;
    }
    if roots.is_empty() {
        return Err("the file has no certificate: expected `-----BEGIN CERTIFICATE-----`".to_owned());
    }
    Ok(roots)
}

fn of_system() -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    // Those that cannot be read or used are left out: which ones there are is not the policy's doing.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() {
        return Err("TLS needs certificates to trust, and the system has none: install them (Debian: ca-certificates), or name a \
                    file in `store.redis.ca`"
            .to_owned());
    }
    Ok(roots)
}
