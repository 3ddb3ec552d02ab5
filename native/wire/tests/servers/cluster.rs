//! A Redis Cluster.

use tollgate::redis::{Failure, slot};

use super::line::until;
use super::server::{free_port, settings_with};
use super::{Line, Server};

/// Three nodes, of which the first has all slots.
struct Nodes(Vec<Server>);

impl Nodes {
    fn start(name: &str) -> Self {
        let mut buses = Vec::new();
        let mut start = |number| {
            let bus = free_port().to_string();
            buses.push(bus.clone());
            let arguments = [
                "--cluster-enabled",
                "yes",
                "--cluster-node-timeout",
                "2000",
                "--cluster-port",
                &bus,
                "--requirepass",
                "right",
                "--masterauth",
                "right",
            ];
            Server::start(&format!("{name}-{number}"), &arguments)
        };
        let nodes = Self((0..3).map(&mut start).collect());
        let first = nodes.line(0);
        assert_eq!(first.ask(&["CLUSTER", "ADDSLOTSRANGE", "0", "16383"]), "OK");
        for (node, bus) in nodes.0.iter().zip(&buses).skip(1) {
            assert_eq!(first.ask(&["CLUSTER", "MEET", "127.0.0.1", &node.port.to_string(), bus]), "OK");
        }
        for number in 0..3 {
            let line = nodes.line(number);
            until("they know each other", || {
                let info = line.ask(&["CLUSTER", "INFO"]);
                (info.contains("cluster_state:ok") && info.contains("cluster_known_nodes:3")).then_some(())
            });
        }
        nodes
    }

    /// A line to one of them, whatever slots it has.
    fn line(&self, number: usize) -> Line {
        logged_in(Line::open(&self.0[number].settings()))
    }

    fn id(&self, number: usize) -> String {
        self.line(number).ask(&["CLUSTER", "MYID"])
    }

    /// A line to the one that has the slot.
    fn open(&self) -> Line {
        self.open_with("right")
    }

    fn open_with(&self, password: &str) -> Line {
        let nodes: Vec<String> = self.0.iter().map(|node| format!("127.0.0.1:{}", node.port)).collect();
        let url = format!("redis-cluster://{}", nodes.join(","));
        Line::open(&settings_with(&url, &format!(r#", "password": "{password}""#)))
    }

    /// A line to the one that has the slot, once that is this one and takes writes.
    fn until_owned_by(&self, number: usize) -> Line {
        until("the slot is found", || {
            let line = self.open();
            line.say(&["AUTH", "right"]);
            line.say(&["SET", "{tollgate}:a", "1"]);
            let replies = line.try_replies(2).ok()?;
            (replies == ["OK", "OK"] && line.port() == Some(self.0[number].port)).then_some(line)
        })
    }
}

fn logged_in(line: Line) -> Line {
    assert_eq!(line.ask(&["AUTH", "right"]), "OK");
    line
}

#[test]
fn the_node_that_has_the_slot_is_found_wherever_it_goes() {
    let mut nodes = Nodes::start("cluster");
    let line = nodes.until_owned_by(0);
    // The slot moves to the second.
    let (slot, first, second) = (slot("tollgate").to_string(), nodes.id(0), nodes.id(1));
    assert_eq!(nodes.line(1).ask(&["CLUSTER", "SETSLOT", &slot, "IMPORTING", &first]), "OK");
    assert_eq!(nodes.line(0).ask(&["CLUSTER", "SETSLOT", &slot, "MIGRATING", &second]), "OK");
    assert_eq!(line.ask(&["DEL", "{tollgate}:a"]), "1", "nothing is left to be moved");
    for number in [1, 0] {
        assert_eq!(nodes.line(number).ask(&["CLUSTER", "SETSLOT", &slot, "NODE", &second]), "OK");
    }
    assert!(
        line.ask(&["SET", "{tollgate}:a", "1"]).starts_with("-MOVED "),
        "whoever reads that opens another"
    );
    let line = nodes.until_owned_by(1);
    // The third becomes its replica, and takes over when it dies.
    assert_eq!(nodes.line(2).ask(&["CLUSTER", "REPLICATE", &second]), "OK");
    let third = nodes.line(2);
    until("it has a copy", || third.ask(&["ROLE"]).contains(" connected ").then_some(()));
    nodes.0[1].kill();
    assert_eq!(line.closed().0, Failure::Connection);
    until("it takes over", || (third.ask(&["CLUSTER", "FAILOVER", "TAKEOVER"]) == "OK").then_some(()));
    nodes.until_owned_by(2);
}

#[test]
fn what_is_wrong_with_a_cluster_is_told() {
    let nodes = Nodes::start("no-cluster");
    let (failure, reason) = nodes.open_with("wrong").closed();
    assert_eq!(failure, Failure::Auth);
    assert!(reason.contains("WRONGPASS"), "{reason}");
    let slot = slot("tollgate").to_string();
    for number in 0..3 {
        assert_eq!(nodes.line(number).ask(&["CLUSTER", "DELSLOTS", &slot]), "OK");
    }
    let (failure, reason) = nodes.open().closed();
    assert_eq!(failure, Failure::Cluster);
    assert!(reason.ends_with(&format!("in the cluster nobody has the slot {slot}")), "{reason}");
    let alone = Server::start("no-cluster-alone", &[]);
    let url = format!("redis-cluster://127.0.0.1:{}", alone.port);
    let (failure, reason) = Line::open(&settings_with(&url, "")).closed();
    assert_eq!(failure, Failure::Other);
    assert!(reason.ends_with("This instance has cluster support disabled"), "{reason}");
}
