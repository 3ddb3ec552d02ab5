//! What one client's record takes, as the README says it.

use super::{Sent, get, world};

/// The bytes of a client that has called once, and of one that has called every second for as long as it could.
fn bytes(sent: &Sent) -> (usize, usize) {
    let mut world = world("");
    assert!(world.exchange(sent, 200));
    let once = world.gate.counters().bytes();
    for _ in 0..300 {
        world.pass(1);
        world.exchange(sent, 200);
    }
    (once, world.gate.counters().bytes())
}

#[test]
fn a_client_takes_little() {
    for sent in [get("/"), get("/api/v2/jobs/?ids_only=1").token("t")] {
        let (once, full) = bytes(&sent);
        // The address of a client with a credential has a record too, which counts against the ceiling.
        assert!(once < 80 + 52, "{once}");
        assert!(full < 400, "{full}");
    }
    assert!(bytes(&get("/")).0 < 80);
}
