//! A connection's bytes, in the clear or by TLS.

use std::net::SocketAddr;
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, lookup_host};
use tokio::time::{Instant, timeout_at};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::pki_types::ServerName;
use tollgate::redis::{Failure, Node};

use crate::Trouble;

/// A connection that says nothing for so long is asked by the system whether it is still there. What stands between may forget one
/// that is idle, and then drops what is sent on it.
const KEEP_ALIVE: Duration = Duration::from_secs(30);

/// A connection to one server.
pub(crate) enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

/// Where bytes come from and go to.
pub(crate) trait Bytes: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Bytes for T {}

impl Stream {
    /// The same, in the clear.
    pub(crate) fn bytes(&mut self) -> &mut dyn Bytes {
        match self {
            Self::Plain(stream) => stream,
            Self::Tls(stream) => stream,
        }
    }
}

/// Connects to a server until then.
pub(crate) async fn connect(
    node: &Node,
    tls: Option<&TlsConnector>,
    until: Instant,
) -> Result<Stream, Trouble> {
    let at = |what: &str| Trouble::new(Failure::Connection, format!("{node}: {what}"));
    let stream = match timeout_at(until, tcp(node, until)).await {
        Ok(stream) => stream.map_err(|error| at(&error.to_string()))?,
        Err(_) => return Err(at("it does not take a connection in time")),
    };
    let Some(tls) = tls else { return Ok(Stream::Plain(stream)) };
    let name =
        ServerName::try_from(node.host.clone()).map_err(|_| at("no certificate can have this name"))?;
    match timeout_at(until, tls.connect(name, stream)).await {
        Ok(Ok(stream)) => Ok(Stream::Tls(Box::new(stream))),
        Ok(Err(error)) => Err(at(&format!("TLS: {error}"))),
        Err(_) => Err(at("TLS: it does not answer in time")),
    }
}

/// Tries the addresses of a name one after the other, each for its share of the time.
async fn tcp(node: &Node, until: Instant) -> std::io::Result<TcpStream> {
    let addresses: Vec<SocketAddr> = lookup_host((node.host.as_str(), node.port)).await?.collect();
    let mut failed = std::io::Error::other("the name has no address");
    for (index, address) in addresses.iter().enumerate() {
        let left = u32::try_from(addresses.len() - index).unwrap_or(u32::MAX);
        let now = Instant::now();
        match timeout_at(now + until.duration_since(now) / left, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => {
                // What is sent is whole, and waited for.
                stream.set_nodelay(true)?;
                SockRef::from(&stream).set_tcp_keepalive(
                    &TcpKeepalive::new().with_time(KEEP_ALIVE).with_interval(KEEP_ALIVE / 3),
                )?;
                return Ok(stream);
            }
            Ok(Err(error)) => failed = error,
            Err(late) => failed = late.into(),
        }
    }
    Err(failed)
}
