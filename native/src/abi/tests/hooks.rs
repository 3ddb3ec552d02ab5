//! What Envoy calls, and what comes of it.

use super::{Probe, get, open, with_status};
use crate::abi::host::{Host, Said, Sent, logged};
use crate::abi::{Attribute, Level, Scheduler, concurrency, is_validating, logs};

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
    for (path, body) in [("/verbatim", &b"no"[..]), ("/bodiless", b"")] {
        let mut stream = host.stream();
        assert_eq!(stream.request(get(path), true), Said::STOP);
        let sent = stream.sent().expect("an answer");
        assert_eq!((sent.headers[0].clone(), sent.headers.len()), (with_status("429").remove(0), 3));
        assert_eq!((sent.status, &*sent.body), (0, body));
    }
}

#[test]
fn nothing_is_borrowed_when_an_answer_or_going_on_leads_to_the_streams_end() {
    let host = open("");
    for path in ["/deny", "/verbatim", "/bodiless", "/wait-deny", "/wait"] {
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
    assert_eq!(host.metric("scheduled"), Some(8));
    scheduler.schedule(0);
    host.do_scheduled();
    assert_eq!((host.metric("scheduled"), host.metric("panics.probe")), (Some(8), Some(1)));
    drop(host);
    assert!(!scheduler.schedule(7), "the configuration is gone");
}

#[test]
fn any_thread_counts_as_long_as_the_configuration_is_there() {
    let host = open("");
    let (meter, seen) = (host.plugin().meter.clone(), host.plugin().seen);
    let threads: Vec<_> = (0..3)
        .map(|_| {
            let meter = meter.clone();
            std::thread::spawn(move || meter.count(seen, 5))
        })
        .collect();
    for thread in threads {
        thread.join().expect("no panic");
    }
    assert_eq!(host.metric("seen"), Some(15));
    let late = meter.counter("late");
    meter.count(late, 1);
    assert_eq!(host.metric("late"), None, "it is defined too late");
    drop(host);
    // It would touch what is not there any more.
    meter.count(seen, 1);
    std::thread::spawn(move || meter.count(seen, 1)).join().expect("no panic");
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
    stream.set_filter_state("tollgate.jwt_payload", b"claim");
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

        *host.plugin().fails_when_a_request_comes.lock().expect("not poisoned") = true;
        let mut stream = host.stream();
        assert!(stream.is_there());
        assert_eq!(stream.request(get("/"), true), said);
        assert_eq!(stream.sent().map(|sent| sent.status), answer);
        assert_eq!((host.metric("panics.probe"), host.metric("seen")), (Some(2), Some(1)));

        let mut waiting = host.stream();
        assert_eq!(waiting.request(get("/wait-panic"), true), Said::STOP_ALL);
        host_schedulers(&host)[0].schedule(1);
        waiting.do_scheduled();
        assert_eq!(
            (waiting.sent().map(|sent| sent.status), waiting.continued()),
            (answer, u32::from(answer.is_none()))
        );
        assert_eq!(host.metric("panics.probe"), Some(3));
        host_schedulers(&host)[0].schedule(1);
        waiting.do_scheduled();
        assert_eq!(host.metric("panics.probe"), Some(3), "it is not asked again");
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
