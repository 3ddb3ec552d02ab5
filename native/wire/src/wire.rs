//! One connection: bytes in, bytes out.

use std::io::{self, ErrorKind};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, split};
use tokio::net::TcpStream;
use tokio::task::AbortHandle;
use tokio::time::Instant;
use tollgate::redis::Failure;

use crate::Trouble;
use crate::connect::connect;
use crate::outbox::Outbox;
use crate::stream::Stream;
use crate::target::Target;
use crate::thread::Thread;

/// There is a connection after so long, or there is none. Whoever waits for it has gone on long before.
const CONNECT: Duration = Duration::from_secs(2);

/// So much is read at once, in bytes.
const CHUNK: usize = 16_384;

/// One connection to Redis. Dropping it closes it.
#[derive(Debug)]
pub struct Wire {
    outbox: Arc<Outbox>,
    task: AbortHandle,
}

/// What has happened on a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event<'a> {
    /// These bytes have come: replies, in the order of the commands, but not always whole ones.
    Received(&'a [u8]),
    /// It is closed, or there never was one. Nothing comes after this.
    Closed {
        /// What that is counted as.
        failure: Failure,
        /// Why, in words for the log.
        reason: &'a str,
    },
}

impl Wire {
    /// Opens a connection, and does not wait for it: commands can be sent at once. What happens is told to `hear`, on the thread, which
    /// does nothing else meanwhile. After this is dropped nothing is told, but for what is being told at that moment.
    pub fn open(thread: &Thread, target: &Target, hear: impl Fn(Event) + Send + Sync + 'static) -> Self {
        let outbox = Arc::<Outbox>::default();
        let (target, emptied) = (target.clone(), outbox.clone());
        let task = thread.abortable(async move {
            let trouble = live(&target, &emptied, &hear).await;
            emptied.close();
            tell(&hear, Event::Closed { failure: trouble.failure, reason: &trouble.reason });
        });
        Self { outbox, task }
    }

    /// Sends whole commands, from any thread, and does not wait. What cannot be sent any more is lost: the connection's end is told.
    pub fn send(&self, commands: Vec<u8>) {
        self.outbox.send(commands);
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// From before the connection is there until it is over. Returns why it is.
async fn live(target: &Target, outbox: &Outbox, hear: &impl Fn(Event)) -> Trouble {
    let ended = match connect(target, Instant::now() + CONNECT).await {
        Ok(Stream::Plain(socket)) => {
            let socket = Arc::new(socket);
            // Redis may take no more until what it says is read.
            tokio::select! {
                ended = read_socket(&socket, hear) => ended,
                error = outbox.empty_into_socket(&socket) => Err(error),
            }
        }
        Ok(Stream::Tls(stream)) => {
            let (from, to) = split(stream);
            tokio::select! {
                ended = read(from, hear) => ended,
                error = outbox.empty_into(to) => Err(error),
            }
        }
        Err(trouble) => return trouble,
    };
    match ended {
        Err(error) => Trouble::new(Failure::Connection, format!("the connection is broken: {error}")),
        Ok(reason) => Trouble::new(Failure::Connection, reason),
    }
}

async fn read_socket(from: &TcpStream, hear: &impl Fn(Event)) -> io::Result<&'static str> {
    let mut chunk = vec![0; CHUNK];
    loop {
        from.readable().await?;
        match from.try_read(&mut chunk) {
            Ok(size) => {
                if let Some(end) = received(&chunk[..size], hear) {
                    return Ok(end);
                }
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
}

async fn read(mut from: impl AsyncRead + Unpin, hear: &impl Fn(Event)) -> io::Result<&'static str> {
    let mut chunk = vec![0; CHUNK];
    loop {
        let size = from.read(&mut chunk).await?;
        if let Some(end) = received(&chunk[..size], hear) {
            return Ok(end);
        }
    }
}

/// These bytes have come, or none any more. Returns why it is over, if it is.
fn received(bytes: &[u8], hear: &impl Fn(Event)) -> Option<&'static str> {
    if bytes.is_empty() {
        Some("Redis has closed the connection")
    } else if tell(hear, Event::Received(bytes)) {
        None
    } else {
        Some("the connection is given up after a panic")
    }
}

/// A panic of the listener must end neither the thread nor the process. Returns whether there was none.
fn tell(hear: &impl Fn(Event), event: Event) -> bool {
    catch_unwind(AssertUnwindSafe(|| hear(event))).is_ok()
}
