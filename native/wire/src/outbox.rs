//! What is to be sent on one connection, by whichever thread can.

use std::io::{self, ErrorKind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Notify;

/// Bytes that wait to be sent, and the way on which they go at once if none wait.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    state: Mutex<State>,
    /// There is something to send for the thread.
    news: Notify,
}

#[derive(Debug, Default)]
struct State {
    waiting: Vec<u8>,
    /// What anybody can write to: there is none before the connection is there, by TLS, and after the end.
    socket: Option<Arc<TcpStream>>,
}

impl Outbox {
    /// Sends at once what the system takes, which spares waking the thread; the rest waits.
    pub(crate) fn send(&self, mut commands: Vec<u8>) {
        let mut state = self.state();
        if state.waiting.is_empty() {
            // If it fails, the thread finds out why.
            let sent = state.socket.as_ref().map_or(0, |socket| socket.try_write(&commands).unwrap_or(0));
            if sent == commands.len() {
                return;
            }
            commands.drain(..sent);
            state.waiting = commands;
        } else {
            state.waiting.extend_from_slice(&commands);
        }
        drop(state);
        self.news.notify_one();
    }

    /// Sends what waits, and from now on has everybody send by himself, until there is an error.
    pub(crate) async fn empty_into_socket(&self, socket: &Arc<TcpStream>) -> io::Error {
        loop {
            match self.try_to_empty(socket) {
                Ok(()) => self.news.notified().await,
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    if let Err(error) = socket.writable().await {
                        return error;
                    }
                }
                Err(error) => return error,
            }
        }
    }

    fn try_to_empty(&self, socket: &Arc<TcpStream>) -> io::Result<()> {
        let mut state = self.state();
        while !state.waiting.is_empty() {
            let sent = socket.try_write(&state.waiting)?;
            state.waiting.drain(..sent);
        }
        state.socket.get_or_insert_with(|| socket.clone());
        Ok(())
    }

    /// Sends what waits, as it comes, until there is an error.
    pub(crate) async fn empty_into(&self, mut stream: impl AsyncWrite + Unpin) -> io::Error {
        loop {
            let waiting = std::mem::take(&mut self.state().waiting);
            if waiting.is_empty() {
                self.news.notified().await;
                continue;
            }
            let sent = async {
                stream.write_all(&waiting).await?;
                stream.flush().await
            };
            if let Err(error) = sent.await {
                return error;
            }
        }
    }

    /// The connection is over; nothing more is sent.
    pub(crate) fn close(&self) {
        self.state().socket = None;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
