//! Servers that are none, and listeners that break.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::channel;

use tollgate::redis::{Failure, Settings};
use tollgate_wire::{Event, Target, Wire};

use super::line::thread;
use super::server::{settings, settings_with};
use super::{Line, Server};

/// A server that does this with its first connection.
fn serve(act: impl FnOnce(TcpStream) + Send + 'static) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    std::thread::spawn(move || act(listener.accept().expect("a connection").0));
    port
}

fn at(port: u16) -> Settings {
    settings(&format!("redis://127.0.0.1:{port}"))
}

#[test]
fn what_is_no_reply_is_handed_on_as_it_is() {
    let garbage = b"HTTP/1.1 400 Bad Request\r\n\r\n\0\xff$-7\r\n";
    let line = Line::open(&at(serve(move |mut stream| stream.write_all(garbage).expect("it reads"))));
    assert_eq!(line.bytes(garbage.len()), garbage);
    assert_eq!(line.closed().0, Failure::Connection);
}

#[test]
fn what_is_no_reply_to_our_own_commands_is_told() {
    for said in [&b"HTTP/1.1 400 Bad Request\r\n\r\n"[..], b"+OK\r\n+OK\r\n", b"+OK\r\n+"] {
        let port = serve(move |mut stream| {
            let _ = stream.read(&mut [0; 64]);
            let _ = stream.write_all(said);
            let _ = stream.read(&mut [0; 64]);
        });
        let line = Line::open(&settings(&format!("redis://127.0.0.1:{port}/1")));
        assert_eq!(line.closed().0, Failure::Reply, "{said:?}");
    }
    let port = serve(drop);
    let line = Line::open(&settings(&format!("redis://127.0.0.1:{port}/1")));
    assert_eq!(line.closed().0, Failure::Connection);
}

#[test]
fn one_that_never_answers_our_own_commands_is_given_up() {
    let (ended, end) = channel::<()>();
    let port = serve(move |stream| {
        let _ = end.recv();
        drop(stream);
    });
    let line = Line::open(&settings(&format!("redis://127.0.0.1:{port}/1")));
    let (failure, reason) = line.closed();
    assert_eq!((failure, &reason[..]), (Failure::Connection, "it does not answer in time"));
    drop(ended);
}

#[test]
fn one_that_speaks_no_tls_is_told() {
    let (failure, reason) = Line::open(&settings_with(
        &format!(
            "rediss://127.0.0.1:{}",
            serve(|mut stream| stream.write_all(b"-ERR no\r\n").expect("it reads"))
        ),
        "",
    ))
    .closed();
    assert_eq!(failure, Failure::Connection);
    assert!(reason.contains("TLS: "), "{reason}");
}

#[test]
fn a_huge_reply_comes_in_pieces() {
    const SIZE: usize = 64 << 20;
    let server = Server::start("huge", &[]);
    let (heard, pieces) = channel();
    let hear = move |event: Event| {
        if let Event::Received(bytes) = event {
            let _ = heard.send(bytes.len());
        }
    };
    let wire = Wire::open(thread(), &Target::new(&server.settings()).expect("good"), hear);
    let commands = format!("SETRANGE big {} x\r\nGET big\r\n", SIZE - 1);
    wire.send(commands.into_bytes());
    let expected = format!(":{SIZE}\r\n${SIZE}\r\n\r\n").len() + SIZE;
    let (mut size, mut largest) = (0, 0);
    while size < expected {
        let piece = pieces.recv().expect("more");
        (size, largest) = (size + piece, largest.max(piece));
    }
    assert_eq!(size, expected);
    assert!(largest <= 16_384, "{largest}");
}

#[test]
fn a_listener_that_panics_ends_its_own_connection_alone() {
    let server = Server::start("panics", &[]);
    let other = Line::open(&server.settings());
    assert_eq!(other.ask(&["PING"]), "PONG");
    let (heard, reasons) = channel();
    let wire =
        Wire::open(thread(), &Target::new(&server.settings()).expect("good"), move |event| match event {
            Event::Received(_) => panic!("as it shall"),
            Event::Closed { reason, .. } => {
                heard.send(reason.to_owned()).expect("somebody waits");
                panic!("also then");
            }
        });
    wire.send(b"PING\r\n".to_vec());
    assert_eq!(reasons.recv().expect("it is told"), "the connection is given up after a panic");
    assert!(reasons.recv().is_err(), "it is gone");
    assert_eq!(other.ask(&["PING"]), "PONG");
}
