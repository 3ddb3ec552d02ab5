//! Redis by TLS.

use std::path::{Path, PathBuf};

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use tollgate::redis::{Failure, Settings};
use tollgate_wire::Target;

use super::server::{settings, settings_with};
use super::{Line, Server};

/// A house's own authority.
struct Authority(Issuer<'static, KeyPair>, String);

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new([]).expect("good");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        let certificate = params.self_signed(&key).expect("a certificate").pem();
        Self(Issuer::new(params, key), certificate)
    }

    /// Writes a server's certificate and key, and the authority's own.
    fn certify(&self, name: &str, directory: &Path) {
        let key = KeyPair::generate().expect("a key");
        let params = CertificateParams::new([name.to_owned()]).expect("good");
        let certificate = params.signed_by(&key, &self.0).expect("a certificate");
        for (file, text) in
            [("server.pem", &certificate.pem()), ("server.key", &key.serialize_pem()), ("ca.pem", &self.1)]
        {
            std::fs::write(directory.join(file), text).expect("a file");
        }
    }
}

const TLS: [&str; 16] = [
    "--bind",
    "127.0.0.1",
    "--save",
    "",
    "--port",
    "0",
    "--tls-port",
    "PORT",
    "--tls-cert-file",
    "server.pem",
    "--tls-key-file",
    "server.key",
    "--tls-ca-cert-file",
    "ca.pem",
    "--tls-auth-clients",
    "no",
];

/// A server whose certificate is for this name.
fn start(name: &str, certified: &str) -> Server {
    let authority = Authority::new();
    Server::start_in(name, |directory| authority.certify(certified, directory), &TLS)
}

fn by_tls(server: &Server, ca: &Path) -> Settings {
    settings_with(&format!("rediss://127.0.0.1:{}/1", server.port), &format!(r#", "ca": "{}""#, ca.display()))
}

#[test]
fn whom_the_file_certifies_is_trusted_and_nobody_else() {
    let (server, other) = (start("tls", "127.0.0.1"), start("tls-other", "127.0.0.1"));
    let line = Line::open(&by_tls(&server, &server.file("ca.pem")));
    assert_eq!(line.ask(&["ECHO", &"x".repeat(100_000)]), "x".repeat(100_000));
    let (failure, reason) = Line::open(&by_tls(&server, &other.file("ca.pem"))).closed();
    assert_eq!(failure, Failure::Connection);
    assert!(reason.contains("TLS: ") && reason.contains("certificate"), "{reason}");
    // The system's own do not know it either, if there are any.
    if let Ok(target) = Target::new(&settings(&format!("rediss://127.0.0.1:{}", server.port))) {
        let (failure, reason) = Line::to(&target).closed();
        assert_eq!(failure, Failure::Connection, "{reason}");
    }
    // A server that speaks TLS is not spoken to in the clear.
    let line = Line::open(&settings(&format!("redis://127.0.0.1:{}", server.port)));
    line.say(&["PING"]);
    assert_eq!(line.closed().0, Failure::Connection);
}

#[test]
fn a_certificate_must_be_for_the_name_in_the_url() {
    let server = start("tls-name", "redis.example");
    let (failure, reason) = Line::open(&by_tls(&server, &server.file("ca.pem"))).closed();
    assert_eq!(failure, Failure::Connection);
    assert!(reason.contains("not valid for name"), "{reason}");
    let server = start("tls-localhost", "localhost");
    let ca = server.file("ca.pem");
    let url = format!("rediss://LOCALHOST:{}", server.port);
    assert_eq!(
        Line::open(&settings_with(&url, &format!(r#", "ca": "{}""#, ca.display()))).ask(&["PING"]),
        "PONG"
    );
}

#[test]
fn a_file_that_does_not_do_is_refused_at_once() {
    let directory = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    let refused = |name: &str, text: Option<&str>| {
        let path = directory.join(name);
        if let Some(text) = text {
            std::fs::write(&path, text).expect("a file");
        }
        let settings = settings_with("rediss://127.0.0.1", &format!(r#", "ca": "{}""#, path.display()));
        Target::new(&settings).expect_err(name)
    };
    for (name, text, reason) in [
        ("wire-missing.pem", None, "store.redis.ca: the file cannot be read: No such file"),
        ("wire-empty.pem", Some(""), "store.redis.ca: the file has no certificate: expected"),
        ("wire-text.pem", Some("hello\n"), "store.redis.ca: the file has no certificate: expected"),
        (
            "wire-cut.pem",
            Some("-----BEGIN CERTIFICATE-----\nAAAA\n"),
            "store.redis.ca: the file is not one of",
        ),
        (
            "wire-wrong.pem",
            Some("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"),
            "store.redis.ca: a certificate in the file cannot be used: ",
        ),
    ] {
        let refused = refused(name, text);
        assert!(refused.starts_with(reason), "{refused}");
    }
}
