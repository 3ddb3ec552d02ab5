//! The border, with a host of our own on the other side.

mod hooks;
mod layout;

use std::sync::{Mutex, PoisonError};

use tollgate::config::Failure;

use super::host::{Fields, Host};
use super::{
    Attribute, Counter, Gauge, Histogram, Meter, Next, Opening, Plugin, Reply, Request, Scheduler, Stream,
    Then,
};

/// A plugin that does what its document and its requests' paths say.
struct Probe {
    failure: Failure,
    meter: Meter,
    seen: Counter,
    scheduled: Gauge,
    headers: Histogram,
    scheduler: Scheduler,
    kept: Mutex<Vec<Scheduler>>,
    fails_when_a_request_comes: Mutex<bool>,
}

#[derive(Default)]
struct Passage {
    path: Vec<u8>,
    panics_at_end: bool,
}

impl Drop for Passage {
    fn drop(&mut self) {
        assert!(!self.panics_at_end, "as it was told to");
    }
}

fn denial() -> Reply {
    Reply {
        status: 429,
        headers: vec![("retry-after".into(), "7".to_owned()), ("x-a".into(), String::new())],
        body: b"no".to_vec(),
        details: "denied".into(),
        verbatim: false,
    }
}

impl Plugin for Probe {
    type Request = Passage;

    fn open(at: &mut Opening<'_>) -> Result<Self, String> {
        assert_eq!(at.name(), b"probe");
        let scheduler = at.scheduler();
        assert_ne!(at.document(), b"panic", "as it was told to");
        if at.document() == b"refuse" {
            return Err("it says so".to_owned());
        }
        Ok(Self {
            failure: if at.document() == b"deny" { Failure::Deny } else { Failure::Allow },
            seen: at.meter().counter("seen"),
            scheduled: at.meter().gauge("scheduled"),
            headers: at.meter().histogram("headers"),
            meter: at.meter().clone(),
            scheduler,
            kept: Mutex::default(),
            fails_when_a_request_comes: Mutex::default(),
        })
    }

    fn request(&self) -> Passage {
        let mut fails = self.fails_when_a_request_comes.lock().unwrap_or_else(PoisonError::into_inner);
        assert!(!std::mem::take(&mut *fails), "as it was told to");
        Passage::default()
    }

    fn on_scheduled(&self, event: u64) {
        assert_ne!(event, 0, "as it was told to");
        self.meter.set(self.scheduled, event);
        self.meter.add(self.scheduled, 3);
        self.meter.add(self.scheduled, -2);
    }

    fn failure(&self) -> Failure {
        self.failure
    }

    fn panics(name: &[u8]) -> String {
        format!("panics.{}", String::from_utf8_lossy(name))
    }
}

impl Request for Passage {
    type Plugin = Probe;

    fn on_request_headers(&mut self, plugin: &Probe, at: &mut Stream<'_>, end: bool) -> Next {
        self.path = at.with_request_headers(|headers| {
            assert!(plugin.meter.note(plugin.headers, headers.len() as u64));
            headers
                .iter()
                .find(|(name, _)| *name == b":path")
                .map_or_else(Vec::new, |(_, path)| path.to_vec())
        });
        plugin.meter.count(plugin.seen, 1);
        match &*self.path {
            b"/panic" => panic!("as it was told to"),
            b"/deny" => Next::Reply(denial()),
            b"/verbatim" => Next::Reply(Reply { verbatim: true, ..denial() }),
            b"/bodiless" => Next::Reply(Reply { verbatim: true, body: Vec::new(), ..denial() }),
            b"/collect" if !end => Next::Collect,
            path if path.starts_with(b"/wait") => {
                let scheduler = at.scheduler();
                plugin.kept.lock().expect("not poisoned").push(scheduler);
                Next::Wait
            }
            b"/panic-at-end" => {
                self.panics_at_end = true;
                Next::Continue
            }
            _ => Next::Continue,
        }
    }

    fn on_request_body(&mut self, _plugin: &Probe, at: &mut Stream<'_>, end: bool) -> Next {
        if !end {
            return Next::Collect;
        }
        Next::Reply(Reply { status: 200, body: at.request_body(), ..Reply::default() })
    }

    fn on_request_trailers(&mut self, _plugin: &Probe, at: &mut Stream<'_>) -> Next {
        Next::Reply(Reply { status: 201, body: at.request_body(), ..Reply::default() })
    }

    fn on_response_headers(&mut self, _plugin: &Probe, at: &mut Stream<'_>, _end: bool) {
        assert_ne!(self.path, b"/panic-at-response", "as it was told to");
        if let Some(status) = at.response_header(":status").map(<[u8]>::to_vec) {
            at.set_response_header("x-status", &String::from_utf8_lossy(&status));
        }
    }

    fn on_response_trailers(&mut self, _plugin: &Probe, at: &mut Stream<'_>) {
        let status = at.response_trailer("grpc-status").map(<[u8]>::to_vec);
        at.set_filter_state("grpc", &format!("{status:?}"));
    }

    fn on_scheduled(&mut self, _plugin: &Probe, _at: &mut Stream<'_>, event: u64) -> Then {
        match (&*self.path, event) {
            (b"/wait-panic", _) => panic!("as it was told to"),
            (b"/wait-deny", _) => Then::Reply(denial()),
            (_, 1) => Then::Nothing,
            _ => Then::Continue,
        }
    }

    fn on_complete(&mut self, _plugin: &Probe, at: &mut Stream<'_>) {
        let source = at.attribute(Attribute::SourceAddress).unwrap_or(b"-").to_vec();
        let claim = at.jwt_payload().unwrap_or(b"-").to_vec();
        let parts = [source, claim].map(|part| String::from_utf8_lossy(&part).into_owned());
        let line = format!("{} {} {} {}", parts.join(" "), at.connection(), at.redirects(), at.worker());
        at.set_filter_state("line", &line);
    }
}

fn open(document: &str) -> Host<Probe> {
    Host::open(b"probe", document.as_bytes()).expect("it is taken")
}

fn get(path: &str) -> Fields {
    let pairs = [(":method", "GET"), (":path", path), ("x-empty", "")];
    pairs.iter().map(|(name, value)| (name.as_bytes().to_vec(), value.as_bytes().to_vec())).collect()
}

fn with_status(status: &str) -> Fields {
    vec![(b":status".to_vec(), status.as_bytes().to_vec())]
}
