//! The border, with a host of our own on the other side.

use std::mem::{align_of, offset_of, size_of};
use std::sync::Mutex;

use tollgate::config::Failure;

use super::host::{Fields, Host, Said, Sent, logged};
use super::raw::{self, EnvoyBytes, EnvoyHeader, HeaderMap, OurBytes, OurHeader};
use super::{
    Attribute, Config, Counter, Gauge, Histogram, Level, Next, Opening, Plugin, Reply, Request, Scheduler,
    Stream, Then, concurrency, is_validating, logs,
};

/// A plugin that does what its document and its requests' paths say.
struct Probe {
    failure: Failure,
    seen: Counter,
    scheduled: Gauge,
    headers: Histogram,
    scheduler: Scheduler,
    kept: Mutex<Vec<Scheduler>>,
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
        let config = at.config();
        Ok(Self {
            failure: if at.document() == b"deny" { Failure::Deny } else { Failure::Allow },
            seen: config.counter("seen"),
            scheduled: config.gauge("scheduled"),
            headers: config.histogram("headers"),
            scheduler,
            kept: Mutex::default(),
        })
    }

    fn request(&self) -> Passage {
        Passage::default()
    }

    fn on_scheduled(&self, config: Config<'_>, event: u64) {
        assert_ne!(event, 0, "as it was told to");
        config.set(self.scheduled, event);
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
            at.config().note(plugin.headers, headers.len() as u64);
            headers
                .iter()
                .find(|(name, _)| *name == b":path")
                .map_or_else(Vec::new, |(_, path)| path.to_vec())
        });
        at.config().count(plugin.seen, 1);
        match &*self.path {
            b"/panic" => panic!("as it was told to"),
            b"/deny" => Next::Reply(denial()),
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
        let claim = at.metadata("ns", "key").unwrap_or(b"-").to_vec();
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

/// Where a C compiler puts fields of these sizes, each of which is aligned to its own size: offsets, and the whole's size.
fn c_layout(fields: &[usize]) -> (Vec<usize>, usize) {
    let (mut offsets, mut end, mut widest) = (Vec::new(), 0_usize, 1);
    for size in fields {
        let start = end.next_multiple_of(*size);
        offsets.push(start);
        end = start + size;
        widest = widest.max(*size);
    }
    (offsets, end.next_multiple_of(widest))
}

#[test]
fn what_crosses_the_border_lies_in_memory_as_the_header_says() {
    const POINTER: usize = size_of::<*const u8>();
    const LENGTH: usize = size_of::<usize>();
    // `envoy_dynamic_module_type_envoy_buffer` and `_module_buffer`: { ptr, length }.
    let (offsets, size) = c_layout(&[POINTER, LENGTH]);
    assert_eq!([offset_of!(EnvoyBytes, data), offset_of!(EnvoyBytes, len)], *offsets);
    assert_eq!([offset_of!(OurBytes, data), offset_of!(OurBytes, len)], *offsets);
    assert_eq!((size_of::<EnvoyBytes>(), size_of::<OurBytes>()), (size, size));
    // `_envoy_http_header` and `_module_http_header`: { key_ptr, key_length, value_ptr, value_length }.
    let (offsets, size) = c_layout(&[POINTER, LENGTH, POINTER, LENGTH]);
    assert_eq!(
        [
            offset_of!(EnvoyHeader, name) + offset_of!(EnvoyBytes, data),
            offset_of!(EnvoyHeader, name) + offset_of!(EnvoyBytes, len),
            offset_of!(EnvoyHeader, value) + offset_of!(EnvoyBytes, data),
            offset_of!(EnvoyHeader, value) + offset_of!(EnvoyBytes, len),
        ],
        *offsets
    );
    assert_eq!(
        [
            offset_of!(OurHeader, name) + offset_of!(OurBytes, data),
            offset_of!(OurHeader, name) + offset_of!(OurBytes, len),
            offset_of!(OurHeader, value) + offset_of!(OurBytes, data),
            offset_of!(OurHeader, value) + offset_of!(OurBytes, len),
        ],
        *offsets
    );
    assert_eq!((size_of::<EnvoyHeader>(), size_of::<OurHeader>()), (size, size));
    assert_eq!((align_of::<EnvoyHeader>(), align_of::<OurHeader>()), (POINTER, POINTER));
    // Enumerations are C's `int`, and `bool` is C's `_Bool`.
    assert_eq!((size_of::<HeaderMap>(), size_of::<raw::Body>(), size_of::<bool>()), (4, 4, 1));
    // Their order in the header: RequestHeader, RequestTrailer, ResponseHeader, ResponseTrailer; ReceivedRequestBody,
    // BufferedRequestBody; Trace, Debug, Info, Warn, Error.
    assert_eq!(
        [HeaderMap::Request, HeaderMap::Response, HeaderMap::ResponseTrailers].map(|map| map as u32),
        [0, 2, 3]
    );
    assert_eq!([raw::Body::Received, raw::Body::Buffered].map(|body| body as u32), [0, 1]);
    assert_eq!(
        [Level::Debug, Level::Info, Level::Warn, Level::Error].map(|level| level as u32),
        [1, 2, 3, 4]
    );
    let attributes =
        [Attribute::ResponseCodeDetails, Attribute::SourceAddress, Attribute::DestinationAddress];
    assert_eq!(attributes.map(|attribute| attribute as u32), [16, 24, 26]);
    assert_eq!(raw::VERSION.to_bytes(), b"v0.2.0");
}

#[test]
fn a_configuration_that_is_refused_is_told_why_and_leaves_nothing() {
    assert!(Host::<Probe>::open(b"probe", b"refuse").is_none());
    assert_eq!(logged(Level::Error), ["the configuration is refused: it says so"]);
    assert!(Host::<Probe>::open(b"probe", b"panic").is_none());
    assert!(logged(Level::Error)[1].contains("fault of Tollgate's own"));
}

#[test]
fn metrics_are_defined_while_the_configuration_opens_and_not_later() {
    let host = open("");
    let mut stream = host.stream();
    assert_eq!(stream.request(get("/"), true), Said::CONTINUE);
    assert_eq!(
        (host.metric("seen"), host.metric("headers"), host.metric("scheduled")),
        (Some(1), Some(3), Some(0))
    );
    assert_eq!(
        (is_validating(), concurrency(), logs(Level::Debug), logs(Level::Warn)),
        (false, 2, false, true)
    );
}

#[test]
fn all_headers_are_seen_however_many_there_are() {
    let host = open("");
    for count in [0, 1, 63, 64, 65, 300] {
        let headers = (0..count).map(|index| (format!("x-{index}").into_bytes(), Vec::new())).collect();
        assert_eq!(host.stream().request(headers, true), Said::CONTINUE);
        assert_eq!(host.metric("headers"), Some(count));
    }
}

#[test]
fn an_answer_is_sent_as_it_is() {
    let host = open("");
    let mut stream = host.stream();
    assert_eq!(stream.request(get("/deny"), true), Said::STOP);
    let fields = vec![(b"retry-after".to_vec(), b"7".to_vec()), (b"x-a".to_vec(), Vec::new())];
    let sent = Sent { status: 429, headers: fields, body: b"no".to_vec(), details: b"denied".to_vec() };
    assert_eq!(stream.sent(), Some(sent));
}

#[test]
fn nothing_is_borrowed_when_an_answer_or_going_on_leads_to_the_streams_end() {
    let host = open("");
    for path in ["/deny", "/wait-deny", "/wait"] {
        let mut stream = host.stream();
        stream.end_at_once();
        stream.request(get(path), true);
        for event in 0..3 {
            if let Some(scheduler) = host_schedulers(&host).last() {
                scheduler.schedule(event);
            }
        }
        stream.do_scheduled();
        assert!(!stream.is_there(), "{path}");
        assert_eq!(u32::from(stream.sent().is_some()) + stream.continued(), 1, "{path}");
    }
}

/// Those of the streams that have waited.
fn host_schedulers(host: &Host<Probe>) -> Vec<Scheduler> {
    host.plugin().kept.lock().expect("not poisoned").clone()
}

#[test]
fn a_request_waits_until_a_thread_lets_it_go() {
    let host = open("");
    let mut stream = host.stream();
    assert_eq!(stream.request(get("/wait"), false), Said::STOP_ALL);
    let scheduler = host_schedulers(&host).remove(0);
    let elsewhere = std::thread::spawn(move || (scheduler.schedule(1), scheduler.schedule(2), scheduler));
    let (first, second, scheduler) = elsewhere.join().expect("no panic");
    assert!(first && second);
    stream.do_scheduled();
    assert_eq!((stream.continued(), stream.sent()), (1, None));
    // Once is enough: it does not wait any more.
    assert!(scheduler.schedule(2));
    stream.do_scheduled();
    assert_eq!(stream.continued(), 1);
    stream.end();
    assert!(!scheduler.schedule(2), "the stream has ended");
}

#[test]
fn a_request_that_was_answered_meanwhile_is_not_let_go() {
    let host = open("");
    let mut stream = host.stream();
    assert_eq!(stream.request(get("/wait"), true), Said::STOP_ALL);
    assert_eq!(stream.respond(with_status("408"), true), Said::CONTINUE);
    assert!(host_schedulers(&host)[0].schedule(2));
    stream.do_scheduled();
    assert_eq!((stream.continued(), stream.sent()), (0, None));
}

#[test]
fn a_configuration_is_called_by_any_thread() {
    let host = open("");
    let scheduler = host.plugin().scheduler.clone();
    let scheduler = std::thread::spawn(move || {
        assert!(scheduler.schedule(7));
        scheduler
    });
    let scheduler = scheduler.join().expect("no panic");
    host.do_scheduled();
    assert_eq!(host.metric("scheduled"), Some(7));
    scheduler.schedule(0);
    host.do_scheduled();
    assert_eq!((host.metric("scheduled"), host.metric("panics.probe")), (Some(7), Some(1)));
    drop(host);
    assert!(!scheduler.schedule(7), "the configuration is gone");
}

#[test]
fn a_body_is_collected() {
    let host = open("");
    let mut stream = host.stream();
    assert_eq!(stream.request(get("/collect"), false), Said::STOP);
    assert_eq!(stream.body(b"one ", false), Said::BUFFER);
    assert_eq!(stream.body(b"", false), Said::BUFFER);
    assert_eq!(stream.body(b"two", true), Said::BUFFER);
    assert_eq!(stream.sent().map(|sent| (sent.status, sent.body)), Some((200, b"one two".to_vec())));

    let mut stream = host.stream();
    assert_eq!(stream.request(get("/collect"), false), Said::STOP);
    assert_eq!(stream.body(b"one", false), Said::BUFFER);
    assert_eq!(stream.request_trailers(), Said::STOP);
    assert_eq!(stream.sent().map(|sent| (sent.status, sent.body)), Some((201, b"one".to_vec())));

    let mut stream = host.stream();
    assert_eq!(stream.request(get("/"), false), Said::CONTINUE);
    assert_eq!((stream.body(b"one", true), stream.request_trailers()), (Said::CONTINUE, Said::CONTINUE));
    assert_eq!(stream.sent(), None, "nobody has asked for it");
}

#[test]
fn a_response_can_be_read_and_changed() {
    let host = open("");
    let mut stream = host.stream();
    stream.set_attribute(Attribute::SourceAddress, b"192.0.2.1:5");
    stream.set_metadata("ns", "key", b"claim");
    stream.set_filter_state("num_internal_redirects", b"2");
    stream.set_connection(9);
    stream.request(get("/"), true);
    stream.respond(with_status("204"), false);
    assert!(stream.response().contains(&(b"x-status".to_vec(), b"204".to_vec())));
    stream.trailers(vec![(b"grpc-status".to_vec(), b"8".to_vec())]);
    stream.end();
    assert_eq!(stream.filter_state("grpc").as_deref(), Some(&b"Some([56])"[..]));
    assert_eq!(stream.filter_state("line").as_deref(), Some(&b"192.0.2.1:5 claim 9 2 1"[..]));
}

#[test]
fn a_request_at_which_the_module_fails_is_let_through_or_denied() {
    for (document, answer) in [("allow", None), ("deny", Some(503))] {
        let host = open(document);
        let mut stream = host.stream();
        let said = stream.request(get("/panic"), true);
        assert_eq!(said, if answer.is_some() { Said::STOP } else { Said::CONTINUE });
        assert_eq!(stream.sent().map(|sent| sent.status), answer);
        assert_eq!(host.metric("panics.probe"), Some(1));
        // It is left alone.
        assert_eq!(stream.respond(with_status("200"), true), Said::CONTINUE);
        assert_eq!(stream.response(), with_status("200"));
        stream.end();
        assert_eq!((host.metric("panics.probe"), stream.filter_state("line")), (Some(1), None));

        let mut waiting = host.stream();
        assert_eq!(waiting.request(get("/wait-panic"), true), Said::STOP_ALL);
        host_schedulers(&host)[0].schedule(1);
        waiting.do_scheduled();
        assert_eq!(
            (waiting.sent().map(|sent| sent.status), waiting.continued()),
            (answer, u32::from(answer.is_none()))
        );
        assert_eq!(host.metric("panics.probe"), Some(2));
        host_schedulers(&host)[0].schedule(1);
        waiting.do_scheduled();
        assert_eq!(host.metric("panics.probe"), Some(2), "it is not asked again");
    }
}

#[test]
fn a_response_at_which_the_module_fails_goes_on() {
    let host = open("deny");
    let mut stream = host.stream();
    stream.request(get("/panic-at-response"), true);
    assert_eq!(stream.respond(with_status("200"), true), Said::CONTINUE);
    assert_eq!((stream.sent(), host.metric("panics.probe")), (None, Some(1)));
}

#[test]
fn a_request_that_fails_when_it_is_dropped_is_counted() {
    let host = open("");
    let mut stream = host.stream();
    stream.request(get("/panic-at-end"), true);
    stream.end();
    assert_eq!(host.metric("panics.probe"), Some(1));
}
