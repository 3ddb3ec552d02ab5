//! A wire, and what comes by it.

use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use tollgate::redis::{Failure, Reply, Settings, put_command, read_reply};
use tollgate_wire::{Event, Target, Thread, Wire};

use super::server::PATIENCE;

/// A wire, and what has come by it.
pub(crate) struct Line {
    pub(crate) wire: Wire,
    heard: Arc<Heard>,
}

#[derive(Default)]
struct Heard {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    received: Vec<u8>,
    closed: Option<(Failure, String)>,
}

impl Line {
    pub(crate) fn open(settings: &Settings) -> Self {
        Self::to(&Target::new(settings).expect("good"))
    }

    pub(crate) fn to(target: &Target) -> Self {
        let heard = Arc::<Heard>::default();
        let listener = heard.clone();
        let wire = Wire::open(thread(), target, move |event| listener.hear(event));
        Self { wire, heard }
    }

    /// Sends one command.
    pub(crate) fn say(&self, words: &[&str]) {
        let words: Vec<&[u8]> = words.iter().map(|word| word.as_bytes()).collect();
        let mut command = Vec::new();
        put_command(&mut command, &words);
        self.wire.send(command);
    }

    /// The port of the server at its other end.
    pub(crate) fn port(&self) -> Option<u16> {
        self.say(&["CONFIG", "GET", "port"]);
        self.try_replies(1).ok()?[0].strip_prefix("port ")?.parse().ok()
    }

    /// What is answered to one command.
    pub(crate) fn ask(&self, words: &[&str]) -> String {
        self.say(words);
        self.replies(1).remove(0)
    }

    /// The next replies, once they are there, as text.
    pub(crate) fn replies(&self, count: usize) -> Vec<String> {
        self.try_replies(count).unwrap_or_else(|closed| panic!("{closed:?}"))
    }

    /// The same, or why the connection was closed instead.
    pub(crate) fn try_replies(&self, count: usize) -> Result<Vec<String>, (Failure, String)> {
        self.heard.wait_for(|state| {
            let mut rest = &state.received[..];
            let replies: Vec<String> =
                (0..count).map_while(|_| read_reply(&mut rest).ok().map(shown)).collect();
            if replies.len() < count {
                return state.closed.clone().map(Err);
            }
            state.received = rest.to_vec();
            Some(Ok(replies))
        })
    }

    /// So many bytes, or more, once they are there.
    pub(crate) fn bytes(&self, count: usize) -> Vec<u8> {
        self.heard
            .wait_for(|state| (state.received.len() >= count).then(|| std::mem::take(&mut state.received)))
    }

    /// Why it is closed, once it is.
    pub(crate) fn closed(&self) -> (Failure, String) {
        self.heard.wait_for(|state| state.closed.clone())
    }
}

impl Heard {
    fn hear(&self, event: Event) {
        let mut state = self.state.lock().expect("whole");
        match event {
            Event::Received(bytes) => state.received.extend_from_slice(bytes),
            Event::Closed { failure, reason } => {
                assert_eq!(state.closed.replace((failure, reason.to_owned())), None, "it is closed once");
            }
        }
        self.changed.notify_all();
    }

    fn wait_for<T>(&self, mut look: impl FnMut(&mut State) -> Option<T>) -> T {
        let mut found = None;
        let state = self.state.lock().expect("whole");
        let waits = |state: &mut State| {
            found = look(state);
            found.is_none()
        };
        let (state, _) = self.changed.wait_timeout_while(state, PATIENCE, waits).expect("whole");
        drop(state);
        found.expect("it comes in time")
    }
}

pub(crate) fn thread() -> &'static Thread {
    Thread::of_process().expect("a thread")
}

fn shown(reply: Reply) -> String {
    match reply {
        Reply::Text(text) | Reply::Bytes(Some(text)) => String::from_utf8_lossy(text).into_owned(),
        Reply::Error(text) => format!("-{}", String::from_utf8_lossy(text)),
        Reply::Number(number) => number.to_string(),
        Reply::Bytes(None) | Reply::List(None) => "nothing".to_owned(),
        Reply::List(Some(list)) => list.into_iter().map(shown).collect::<Vec<_>>().join(" "),
    }
}

/// Looks again and again until there is something.
pub(crate) fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = std::time::Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(std::time::Instant::now() < deadline, "{what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}
