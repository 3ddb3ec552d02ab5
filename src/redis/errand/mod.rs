//! What the console asks of Redis: one question, on a connection of its own.

mod brought;
mod question;

pub use brought::{Brought, Refused, Surveyed};
pub use question::{Cursor, Question};

use super::command::Commands;
use super::conversation::MAX_ANSWER;
use super::resp::{Reply, RespError, read_reply};
use super::settings::Settings;

/// One short conversation: [`Self::commands`] are sent once, and what comes is handed to [`Self::hear`] until that says something. Then
/// the connection is to be closed. It needs nothing that Redis would have to be told before.
#[derive(Debug)]
pub struct Errand {
    commands: Commands,
    question: Question,
    /// What has come, and is not a whole answer yet.
    heard: Vec<u8>,
    is_over: bool,
}

impl Errand {
    /// This question to this Redis.
    #[must_use]
    pub fn new(settings: &Settings, question: Question) -> Self {
        let commands = Commands::new(settings.prefix.clone(), settings.login.clone());
        Self { commands, question, heard: Vec::new(), is_over: false }
    }

    /// The bytes to send.
    #[must_use]
    pub fn commands(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(32_768);
        self.commands.login(&mut out);
        self.question.put(&self.commands, &mut out);
        out
    }

    /// These bytes have come. `None`: more are needed. Once it has said something it is over, and says no more.
    ///
    /// # Errors
    /// If Redis refuses, or says what is no answer to this. Nothing was done then, but for an answer that is not understood: of that
    /// nobody knows.
    pub fn hear(&mut self, bytes: &[u8]) -> Option<Result<Brought, Refused>> {
        if self.is_over {
            return None;
        }
        self.heard.extend_from_slice(bytes);
        let result = self.read()?;
        self.is_over = true;
        self.heard = Vec::new();
        Some(result)
    }

    fn read(&self) -> Option<Result<Brought, Refused>> {
        let mut rest = &self.heard[..];
        let logs_in = self.commands.login(&mut Vec::new());
        let mut replies = Vec::new();
        for place in 0..usize::from(logs_in) + self.question.replies() {
            match read_reply(&mut rest) {
                // The first one is the reason for those that follow; Redis may close the connection behind it.
                Ok(Reply::Error(message)) => return Some(Err(Refused::of_error(message))),
                Ok(_) if logs_in && place == 0 => {}
                Ok(reply) => replies.push(reply),
                Err(RespError::CutShort) if self.heard.len() <= MAX_ANSWER => return None,
                Err(_) => return Some(Err(Refused::Nonsense)),
            }
        }
        Some(brought::read(&self.question, &replies))
    }
}
