//! A Redis of the test's own, on a port that was free.

use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tollgate::config::Config;
use tollgate::redis::Settings;

/// Longer than anything takes on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);

/// A running server; it ends with this value.
pub(crate) struct Server {
    process: Child,
    directory: PathBuf,
    arguments: Vec<String>,
    pub(crate) port: u16,
}

impl Server {
    /// Starts one with these arguments, and waits until it listens. `PORT` in them is its port. The directory's name is the test's.
    pub(crate) fn start(name: &str, arguments: &[&str]) -> Self {
        let common = ["--bind", "127.0.0.1", "--save", "", "--port", "PORT"];
        Self::start_in(name, |_| {}, &[&common, arguments].concat())
    }

    /// The same with files of its own, and no other arguments than these.
    pub(crate) fn start_in(name: &str, prepare: impl Fn(&Path), arguments: &[&str]) -> Self {
        // What was free may be taken by the time that it is used.
        (0..20).find_map(|_| Self::try_to_start(name, &prepare, arguments)).expect("redis-server starts")
    }

    fn try_to_start(name: &str, prepare: impl Fn(&Path), arguments: &[&str]) -> Option<Self> {
        let port = free_port();
        let directory = PathBuf::from(option_env!("CARGO_TARGET_TMPDIR").unwrap_or("target"))
            .join(format!("wire-{name}-{port}"));
        std::fs::create_dir_all(&directory).expect("a directory for the server");
        prepare(&directory);
        let arguments: Vec<String> =
            arguments.iter().map(|argument| argument.replace("PORT", &port.to_string())).collect();
        let process = spawn(&directory, &arguments);
        let mut server = Self { process, directory, arguments, port };
        server.listens().then_some(server)
    }

    /// Ends it at once, without a word to anybody.
    pub(crate) fn kill(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }

    /// Starts it anew, at the same port and in the same directory.
    pub(crate) fn restart(&mut self) {
        self.kill();
        self.process = spawn(&self.directory, &self.arguments);
        assert!(self.listens(), "its port is taken");
    }

    /// Whether it listens, once it does or has ended.
    fn listens(&mut self) -> bool {
        let deadline = Instant::now() + PATIENCE;
        while TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            assert!(Instant::now() < deadline, "redis-server does not listen");
            if self.process.try_wait().expect("a child").is_some() {
                return false;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        // Another program may be the one that listens.
        self.process.try_wait().expect("a child").is_none()
    }

    /// The number of its process.
    pub(crate) fn id(&self) -> u32 {
        self.process.id()
    }

    /// A file of its own, with the whole path.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    /// How a policy reaches it.
    pub(crate) fn settings(&self) -> Settings {
        settings(&format!("redis://127.0.0.1:{}", self.port))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

fn spawn(directory: &Path, arguments: &[String]) -> Child {
    let mut command = Command::new("redis-server");
    command.current_dir(directory).args(arguments).stdin(Stdio::null()).stdout(Stdio::null());
    command
        .spawn()
        .unwrap_or_else(|error| panic!("redis-server: {error} (Debian: apt-get install redis-server)"))
}

pub(crate) fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("an address").port()
}

/// The settings of a policy with this URL.
pub(crate) fn settings(url: &str) -> Settings {
    settings_with(url, "")
}

/// The same, with more fields.
pub(crate) fn settings_with(url: &str, fields: &str) -> Settings {
    let secret = "0123456789abcdef".repeat(2);
    let document = format!(
        r#"{{ "store": {{ "redis": {{ "url": "{url}", "prefix": "{{tollgate}}:", "secret": "{secret}"{fields} }} }} }}"#
    );
    let config = Config::parse(document.as_bytes()).and_then(Config::by_url).expect("a policy");
    config.redis.expect("it is there")
}
