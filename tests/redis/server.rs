//! A Redis of the test's own, on a socket in a directory of its own.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tollgate::redis::{Brought, Errand, Question, Refused, Reply, RespError, Settings, read_reply};

/// The servers that there are: the machine's own, and those that `scripts/test` has installed.
pub(crate) fn programs() -> Vec<Program> {
    let more = std::env::var_os("TOLLGATE_REDIS_SERVERS").unwrap_or_default();
    let more = std::env::split_paths(&more).filter(|path| !path.as_os_str().is_empty()).map(Program);
    std::iter::once(Program::own()).chain(more).collect()
}

/// What is started as a server.
pub(crate) struct Program(PathBuf);

impl Program {
    /// The machine's own.
    pub(crate) fn own() -> Self {
        Self(PathBuf::from("redis-server"))
    }

    /// Which one it is, as `redis-8.0`.
    pub(crate) fn name(&self) -> String {
        let directory = self.0.parent().and_then(Path::file_name).unwrap_or_default();
        if directory.is_empty() { "own".to_owned() } else { directory.to_string_lossy().into_owned() }
    }
}

/// A running server; it ends with this value.
pub(crate) struct Server {
    process: Child,
    socket: PathBuf,
}

impl Server {
    /// Starts one, and waits until it answers.
    pub(crate) fn start(program: &Program, name: &str) -> Self {
        let directory = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{}-{name}", program.name()));
        std::fs::create_dir_all(&directory).expect("a directory for the server");
        let socket = directory.join("socket");
        // Of a run before this one.
        let _ = std::fs::remove_file(&socket);
        let mut command = Command::new(&program.0);
        command.current_dir(&directory).args(["--port", "0", "--unixsocket", "socket", "--save", ""]);
        command.stdin(Stdio::null()).stdout(Stdio::null());
        let process = command.spawn().unwrap_or_else(|error| {
            panic!("{}: {error} (Debian: apt-get install redis-server)", program.0.display())
        });
        let server = Self { process, socket };
        let deadline = Instant::now() + Duration::from_secs(30);
        while UnixStream::connect(&server.socket).is_err() {
            assert!(Instant::now() < deadline, "redis-server does not answer");
            std::thread::sleep(Duration::from_millis(5));
        }
        server
    }

    pub(crate) fn connect(&self) -> Connection {
        let stream = UnixStream::connect(&self.socket).expect("the server listens");
        Connection { stream, received: Vec::new() }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A connection that stays.
pub(crate) struct Connection {
    stream: UnixStream,
    received: Vec<u8>,
}

impl Connection {
    /// Sends these bytes.
    pub(crate) fn send(&mut self, commands: &[u8]) {
        self.stream.write_all(commands).expect("it reads");
    }

    /// What comes next, as much as is there.
    pub(crate) fn receive(&mut self) -> Vec<u8> {
        let mut chunk = [0; 4_096];
        let size = self.stream.read(&mut chunk).expect("it answers");
        assert!(size > 0, "the server has closed the connection");
        chunk[..size].to_vec()
    }

    /// Goes on an errand, with other commands than its own.
    pub(crate) fn errand(
        &mut self,
        question: Question,
        other: impl FnOnce(Vec<u8>) -> Vec<u8>,
    ) -> Result<Brought, Refused> {
        self.errand_with(&super::settings(), question, other)
    }

    /// The same, with settings of its own.
    pub(crate) fn errand_with(
        &mut self,
        settings: &Settings,
        question: Question,
        other: impl FnOnce(Vec<u8>) -> Vec<u8>,
    ) -> Result<Brought, Refused> {
        let mut errand = Errand::new(settings, question);
        self.send(&other(errand.commands()));
        loop {
            if let Some(brought) = errand.hear(&self.receive()) {
                return brought;
            }
        }
    }

    /// Sends commands that have `count` replies, and hands the last one on.
    pub(crate) fn last_of<T>(&mut self, commands: &[u8], count: usize, read: impl FnOnce(Reply) -> T) -> T {
        self.all_of(commands, count, |mut replies| read(replies.pop().expect("some replies")))
    }

    /// Sends commands that have `count` replies, and hands them on.
    pub(crate) fn all_of<T>(
        &mut self,
        commands: &[u8],
        count: usize,
        read: impl FnOnce(Vec<Reply>) -> T,
    ) -> T {
        self.send(commands);
        self.received.clear();
        loop {
            let chunk = self.receive();
            self.received.extend_from_slice(&chunk);
            let mut bytes = &self.received[..];
            let replies: Result<Vec<_>, _> = (0..count).map(|_| read_reply(&mut bytes)).collect();
            match replies {
                Ok(replies) => return read(replies),
                Err(RespError::CutShort) => {}
                Err(error) => panic!("{error:?}: {}", String::from_utf8_lossy(&self.received)),
            }
        }
    }

    /// One command, as text; the reply as text.
    pub(crate) fn command(&mut self, words: &[&[u8]]) -> String {
        self.last_of(&encode(words), 1, |reply| match reply {
            Reply::Text(text) | Reply::Bytes(Some(text)) => String::from_utf8_lossy(text).into_owned(),
            Reply::Error(error) => panic!("{}", String::from_utf8_lossy(error)),
            other => format!("{other:?}"),
        })
    }
}

/// A command as it is sent.
pub(crate) fn encode(words: &[&[u8]]) -> Vec<u8> {
    let mut out = format!("*{}\r\n", words.len()).into_bytes();
    for word in words {
        out.extend(format!("${}\r\n", word.len()).into_bytes());
        out.extend_from_slice(word);
        out.extend_from_slice(b"\r\n");
    }
    out
}
