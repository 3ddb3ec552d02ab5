//! One connection: bytes in, bytes out.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, split};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::AbortHandle;
use tokio::time::Instant;
use tollgate::redis::Failure;

use crate::Trouble;
use crate::connect::connect;
use crate::target::Target;
use crate::thread::Thread;

/// There is a connection after so long, or there is none. Whoever waits for it has gone on long before.
const CONNECT: Duration = Duration::from_secs(2);

/// So much is read at once, in bytes.
const CHUNK: usize = 16_384;

/// So many sends are taken together if they are waiting.
const TOGETHER: usize = 64;

/// One connection to Redis. Dropping it closes it.
#[derive(Debug)]
pub struct Wire {
    commands: UnboundedSender<Vec<u8>>,
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
        let (commands, queue) = unbounded_channel();
        let target = target.clone();
        let task = thread.abortable(async move {
            let trouble = live(&target, queue, &hear).await;
            tell(&hear, Event::Closed { failure: trouble.failure, reason: &trouble.reason });
        });
        Self { commands, task }
    }

    /// Sends whole commands, from any thread, and does not wait. What cannot be sent any more is lost: the connection's end is told.
    pub fn send(&self, commands: Vec<u8>) {
        let _ = self.commands.send(commands);
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// From before the connection is there until it is over. Returns why it is.
async fn live(target: &Target, queue: UnboundedReceiver<Vec<u8>>, hear: &impl Fn(Event)) -> Trouble {
    let stream = match connect(target, Instant::now() + CONNECT).await {
        Ok(stream) => stream,
        Err(trouble) => return trouble,
    };
    let (from, to) = split(stream);
    // Redis may take no more until what it says is read.
    let ended = tokio::select! {
        ended = read(from, hear) => ended,
        ended = write(to, queue) => ended,
    };
    match ended {
        Err(error) => Trouble::new(Failure::Connection, format!("the connection is broken: {error}")),
        Ok(reason) => Trouble::new(Failure::Connection, reason),
    }
}

async fn read(mut from: impl AsyncRead + Unpin, hear: &impl Fn(Event)) -> std::io::Result<&'static str> {
    let mut chunk = vec![0; CHUNK];
    loop {
        let size = from.read(&mut chunk).await?;
        if size == 0 {
            return Ok("Redis has closed the connection");
        }
        if !tell(hear, Event::Received(&chunk[..size])) {
            return Ok("the connection is given up after a panic");
        }
    }
}

async fn write(
    mut to: impl AsyncWrite + Unpin,
    mut queue: UnboundedReceiver<Vec<u8>>,
) -> std::io::Result<&'static str> {
    let mut waiting = Vec::with_capacity(TOGETHER);
    while queue.recv_many(&mut waiting, TOGETHER).await > 0 {
        match &waiting[..] {
            [one] => to.write_all(one).await?,
            several => to.write_all(&several.concat()).await?,
        }
        to.flush().await?;
        waiting.clear();
    }
    Ok("nobody can send any more")
}

/// A panic of the listener must end neither the thread nor the process. Returns whether there was none.
fn tell(hear: &impl Fn(Event), event: Event) -> bool {
    catch_unwind(AssertUnwindSafe(|| hear(event))).is_ok()
}
