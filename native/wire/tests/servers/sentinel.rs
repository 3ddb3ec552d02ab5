//! Redis with sentinels.

use tollgate::redis::Failure;

use super::line::until;
use super::server::{free_port, settings, settings_with};
use super::{Line, Server};

/// A master, its replica, and three sentinels that watch them.
struct Watched {
    master: Server,
    replica: Server,
    sentinels: Vec<Server>,
}

impl Watched {
    fn start(name: &str) -> Self {
        let master = Server::start(&format!("{name}-master"), &[]);
        let replica = Server::start(
            &format!("{name}-replica"),
            &["--replicaof", "127.0.0.1", &master.port.to_string(), "--repl-diskless-sync-delay", "0"],
        );
        let config = format!(
            "bind 127.0.0.1\nsentinel monitor mymaster 127.0.0.1 {} 2\nsentinel down-after-milliseconds mymaster 1000\n\
             sentinel failover-timeout mymaster 10000\n",
            master.port
        );
        let sentinels = (0..3).map(|number| {
            let prepare = |directory: &std::path::Path| {
                std::fs::write(directory.join("sentinel.conf"), &config).expect("a file");
            };
            let arguments = ["sentinel.conf", "--sentinel", "--port", "PORT"];
            Server::start_in(&format!("{name}-sentinel-{number}"), prepare, &arguments)
        });
        let watched = Self { master, replica, sentinels: sentinels.collect() };
        for sentinel in &watched.sentinels {
            let line = Line::open(&sentinel.settings());
            until("they know each other", || {
                let master = line.ask(&["SENTINEL", "MASTER", "mymaster"]);
                let knows = |what: &str| master.contains(what);
                (knows("num-slaves 1") && knows("num-other-sentinels 2") && knows("flags master "))
                    .then_some(())
            });
        }
        watched
    }

    fn url(&self, master: &str) -> String {
        let nodes: Vec<String> =
            self.sentinels.iter().map(|sentinel| format!("127.0.0.1:{}", sentinel.port)).collect();
        format!("redis-sentinel://{}/{master}", nodes.join(","))
    }
}

#[test]
fn the_sentinels_say_where_the_master_is_also_after_a_failover() {
    let mut watched = Watched::start("failover");
    let settings = settings(&format!("{}/1", watched.url("mymaster")));
    let line = Line::open(&settings);
    assert_eq!(line.port(), Some(watched.master.port));
    assert_eq!(line.ask(&["SET", "a", "1"]), "OK");
    watched.master.kill();
    assert_eq!(line.closed().0, Failure::Connection);
    let line = until("the replica takes over", || {
        let line = Line::open(&settings);
        (line.port() == Some(watched.replica.port) && line.ask(&["ROLE"]).starts_with("master"))
            .then_some(line)
    });
    assert_eq!(line.ask(&["SET", "a", "2"]), "OK");
    // The old one comes back, and is a replica now.
    watched.master.restart();
    assert_eq!(Line::open(&settings).port(), Some(watched.replica.port));
}

#[test]
fn one_sentinel_is_enough_and_most_of_them_are_right() {
    let mut watched = Watched::start("most");
    let settings_of = |url: &str| settings(url);
    let (failure, reason) = Line::open(&settings_of(&watched.url("other"))).closed();
    assert_eq!(failure, Failure::NoCluster);
    assert!(reason.contains("know no master with the name other"), "{reason}");
    // One that was cut off says something else.
    let elsewhere = Server::start("most-elsewhere", &[]);
    let cut_off = Line::open(&watched.sentinels[0].settings());
    assert_eq!(cut_off.ask(&["SENTINEL", "REMOVE", "mymaster"]), "OK");
    let port = elsewhere.port.to_string();
    assert_eq!(cut_off.ask(&["SENTINEL", "MONITOR", "mymaster", "127.0.0.1", &port, "2"]), "OK");
    for _ in 0..20 {
        assert_eq!(Line::open(&settings_of(&watched.url("mymaster"))).port(), Some(watched.master.port));
    }
    // One that is left of those that are right.
    watched.sentinels.remove(0).kill();
    watched.sentinels[0].kill();
    let url = watched.url("mymaster").replace("://", &format!("://127.0.0.1:{},", free_port()));
    assert_eq!(Line::open(&settings_of(&url)).port(), Some(watched.master.port));
    watched.sentinels[1].kill();
    let (failure, reason) = Line::open(&settings_of(&url)).closed();
    assert_eq!(failure, Failure::Connection);
    assert!(reason.contains("refused"), "{reason}");
}

#[test]
fn sentinels_may_want_the_same_login() {
    let master = Server::start("secret-master", &["--requirepass", "right"]);
    let config = format!(
        "bind 127.0.0.1\nrequirepass right\nsentinel monitor mymaster 127.0.0.1 {} 1\nsentinel auth-pass mymaster right\n",
        master.port
    );
    let prepare = |directory: &std::path::Path| {
        std::fs::write(directory.join("sentinel.conf"), &config).expect("a file");
    };
    let sentinel =
        Server::start_in("secret-sentinel", prepare, &["sentinel.conf", "--sentinel", "--port", "PORT"]);
    let with = |fields: &str| {
        Line::open(&settings_with(&format!("redis-sentinel://127.0.0.1:{}/mymaster", sentinel.port), fields))
    };
    let line = with(r#", "password": "right""#);
    assert_eq!(line.ask(&["AUTH", "right"]), "OK");
    assert_eq!(line.port(), Some(master.port));
    for fields in ["", r#", "password": "wrong""#] {
        assert_eq!(with(fields).closed().0, Failure::Auth);
    }
}
