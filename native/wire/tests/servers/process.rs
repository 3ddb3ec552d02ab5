//! Signals to servers.

use std::process::Command;

use super::Server;

/// A server that is stopped: it keeps its connections, and does nothing. It goes on when this is dropped.
pub(crate) struct Paused(u32);

impl Paused {
    pub(crate) fn new(server: &Server) -> Self {
        signal("STOP", server.id());
        Self(server.id())
    }
}

impl Drop for Paused {
    fn drop(&mut self) {
        signal("CONT", self.0);
    }
}

fn signal(name: &str, process: u32) {
    let line = format!("kill -{name} {process}");
    assert!(Command::new("sh").args(["-c", &line]).status().expect("a shell").success(), "{line}");
}
