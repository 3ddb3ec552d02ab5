//! One Redis, without TLS.

use tollgate::redis::Failure;

use super::line::until;
use super::process::Paused;
use super::server::{free_port, settings, settings_with};
use super::{Line, Server};

#[test]
fn replies_come_in_the_order_of_the_commands_and_errors_in_their_place() {
    let server = Server::start("order", &[]);
    let line = Line::open(&server.settings());
    // Also before there is a connection.
    line.wire.send(
        b"*1\r\n$4\r\nPING\r\n*2\r\n$6\r\nSELECT\r\n$4\r\n9999\r\n*2\r\n$4\r\nECHO\r\n$2\r\na\n\r\n".to_vec(),
    );
    line.say(&["GET", "missing"]);
    assert_eq!(line.replies(4), ["PONG", "-ERR DB index is out of range", "a\n", "nothing"]);
    assert_eq!(
        line.ask(&["EVALSHA", &"0".repeat(40), "0"]),
        "-NOSCRIPT No matching script. Please use EVAL."
    );
    assert_eq!(line.ask(&["PING"]), "PONG", "it goes on after that");
}

#[test]
fn any_thread_may_send_and_none_waits() {
    let server = Server::start("threads", &[]);
    let line = Line::open(&server.settings());
    // While it is stopped it takes nothing, and much more is sent than the system keeps.
    let paused = Paused::new(&server);
    let filling = "x".repeat(4_096);
    std::thread::scope(|scope| {
        for name in 0..4 {
            let (line, filling) = (&line, &filling);
            scope.spawn(move || {
                for number in 0..1_000 {
                    line.say(&["ECHO", &format!("{name} {number} {filling}")]);
                }
            });
        }
    });
    drop(paused);
    let replies = line.replies(4_000);
    for name in 0..4 {
        let own = replies.iter().filter_map(|reply| reply.strip_prefix(&format!("{name} ")));
        let numbers: Vec<usize> =
            own.map(|rest| rest.split(' ').next().expect("one").parse().expect("a number")).collect();
        assert!(numbers.into_iter().eq(0..1_000), "each thread's in order");
    }
}

#[test]
fn a_database_of_its_own() {
    let server = Server::start("database", &[]);
    let (first, fourth) = (
        Line::open(&server.settings()),
        Line::open(&settings(&format!("redis://127.0.0.1:{}/3", server.port))),
    );
    assert_eq!(fourth.ask(&["SET", "a", "1"]), "OK");
    assert_eq!(first.ask(&["GET", "a"]), "nothing");
    assert_eq!(first.ask(&["SELECT", "3"]), "OK");
    assert_eq!(first.ask(&["GET", "a"]), "1");
    let (failure, reason) = Line::open(&settings(&format!("redis://127.0.0.1:{}/99", server.port))).closed();
    assert_eq!((failure, &reason[..]), (Failure::Other, "ERR DB index is out of range"));
}

#[test]
fn a_database_behind_a_login() {
    let server = Server::start("login", &["--requirepass", "right"]);
    let with = |password: &str, database: u32| {
        let url = format!("redis://127.0.0.1:{}/{database}", server.port);
        Line::open(&settings_with(&url, &format!(r#", "password": "{password}""#)))
    };
    // Without a database nobody but the caller logs in.
    assert!(with("right", 0).ask(&["PING"]).starts_with("-NOAUTH"));
    let line = with("right", 2);
    assert_eq!(line.ask(&["AUTH", "right"]), "OK", "once more does no harm");
    assert!(line.ask(&["CLIENT", "INFO"]).contains(" db=2 "));
    let (failure, reason) = with("wrong", 2).closed();
    assert_eq!(failure, Failure::Auth);
    assert!(reason.starts_with("WRONGPASS"), "{reason}");
}

#[test]
fn where_nobody_listens() {
    let url = format!("redis://127.0.0.1:{}", free_port());
    let line = Line::open(&settings(&url));
    line.say(&["PING"]);
    let (failure, reason) = line.closed();
    assert_eq!(failure, Failure::Connection);
    assert!(reason.contains("127.0.0.1:") && reason.contains("refused"), "{reason}");
    line.say(&["PING"]);
}

#[test]
fn whoever_drops_it_closes_it() {
    let server = Server::start("dropped", &[]);
    let watching = Line::open(&server.settings());
    assert_eq!(watching.ask(&["PING"]), "PONG");
    let clients = || watching.ask(&["CLIENT", "LIST"]).lines().count();
    let before = clients();
    let line = Line::open(&server.settings());
    assert_eq!(line.ask(&["PING"]), "PONG");
    assert_eq!(clients(), before + 1);
    drop(line);
    until("the connection is closed", || (clients() == before).then_some(()));
}

#[test]
fn one_that_dies_is_told_and_the_next_one_finds_it_again() {
    let mut server = Server::start("killed", &[]);
    let line = Line::open(&server.settings());
    assert_eq!(line.ask(&["PING"]), "PONG");
    server.kill();
    let (failure, reason) = line.closed();
    assert_eq!(failure, Failure::Connection);
    assert!(
        reason.starts_with("Redis has closed") || reason.starts_with("the connection is broken"),
        "{reason}"
    );
    server.restart();
    assert_eq!(Line::open(&server.settings()).ask(&["PING"]), "PONG");
}

#[test]
fn it_speaks_ipv6() {
    let server = Server::start("ipv6", &["--bind", "127.0.0.1", "::1"]);
    assert_eq!(Line::open(&settings(&format!("redis://[::1]:{}", server.port))).ask(&["PING"]), "PONG");
    // A name has several addresses, and nobody need listen at the first.
    let server = Server::start("localhost", &[]);
    assert_eq!(Line::open(&settings(&format!("redis://localhost:{}", server.port))).ask(&["PING"]), "PONG");
}
