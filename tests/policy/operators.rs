//! What operators do, as requests meet it; and what the log says of it.

use std::time::Duration;

use tollgate::access_log::{Entry, Logged};
use tollgate::client::Client;
use tollgate::decision::Ruling;
use tollgate::request::{Headers, Request};
use tollgate::store::{Counters, Fingerprint, Keeper};

use super::{Sent, World, get, refused, world};

const POLICY: &str = r#"{
    "exempt": [ { "path": "/health" } ],
    "client": { "credential": { "from": [ { "header": "authorization", "schemes": ["Token"] }, { "header": "x-api-key" } ] } },
    "scopes": {
        "user": { "rate": "3/h", "key": "credential" },
        "some": { "rate": "2/h", "key": { "query": "who" }, "match": { "path": "/some" } },
        "quiet": { "rate": "1/h", "key": "address", "mode": "shadow" }
    }
}"#;

impl World {
    fn identities(&self, sent: &Sent) -> Vec<Fingerprint> {
        let block = Headers::encode(&sent.headers);
        let request = Request::new(Headers::new(&block), sent);
        self.gate.identities(&Client::identify(&self.gate.config().policy.client, &request))
    }

    fn block(&self, client: Fingerprint, seconds: u64) {
        let until = self.now.after(Duration::from_secs(seconds));
        self.gate
            .counters()
            .change_acts(self.now, |acts| acts.block(client, until, self.now))
            .expect("memory")
            .expect("room");
    }

    fn unblock(&self, client: Fingerprint) -> bool {
        self.gate
            .counters()
            .change_acts(self.now, |acts| acts.unblock(client, &[], self.now))
            .expect("memory")
    }

    /// For how many seconds a request is blocked, if it is.
    fn blocked(&self, sent: &Sent) -> Option<String> {
        let outcome = self.send(sent);
        let denial = outcome.denial?;
        assert_eq!((denial.details.as_str(), denial.status), ("tollgate_blocked", 429));
        assert_eq!(outcome.decision.ruling(), Ruling::Blocked);
        denial.headers.iter().find(|(name, _)| *name == "retry-after").map(|(_, wait)| wait.clone())
    }
}

#[test]
fn whoever_is_blocked_is_denied_whatever_the_policy_counts() {
    let mut world = world(POLICY);
    let (one, other) = (get("/any").from("192.0.2.7:1"), get("/any").from("192.0.2.8:1"));
    let [address] = world.identities(&one)[..] else { panic!("an address alone") };
    world.block(address, 60);
    assert_eq!(world.blocked(&one).as_deref(), Some("60"));
    assert_eq!(world.blocked(&get("/health").from("192.0.2.7:9")).as_deref(), Some("60"), "exempt or not");
    assert_eq!(world.blocked(&one.clone().token("abc")).as_deref(), Some("60"), "with a credential, too");
    assert_eq!(world.blocked(&other), None);
    world.pass(59);
    assert_eq!(world.blocked(&one).as_deref(), Some("1"));
    world.pass(1);
    assert_eq!(world.blocked(&one), None, "it ends by itself");
    world.block(address, 60);
    assert!(world.unblock(address) && !world.unblock(address));
    assert_eq!(world.blocked(&one), None);
}

#[test]
fn a_credential_is_blocked_wherever_it_comes_from() {
    let world = world(POLICY);
    let bearer = get("/any").token("stolen");
    let [_, credential] = world.identities(&bearer)[..] else { panic!("an address and a credential") };
    world.block(credential, 60);
    for sent in [
        bearer.clone(),
        bearer.clone().from("198.51.100.1:5"),
        get("/any").with("x-api-key", "stolen"),
        // Beside another one, nobody knows which is used.
        get("/any").with("x-api-key", "other").token("stolen"),
        get("/any").with("x-api-key", "stolen").token("other"),
    ] {
        assert_eq!(world.blocked(&sent).as_deref(), Some("60"), "{:?}", sent.headers);
    }
    assert_eq!(world.blocked(&get("/any")), None, "the address is not");
    assert_eq!(world.blocked(&get("/any").token("other")), None);
}

#[test]
fn whom_a_scope_counts_can_be_blocked() {
    let world = world(POLICY);
    let whom =
        |target: &str| world.plan(&get(target)).iter().find(|charge| charge.scope == 1).expect(target).client;
    world.block(whom("/some?who=a"), 60);
    assert_eq!(world.blocked(&get("/some?who=a")).as_deref(), Some("60"));
    assert_eq!(world.blocked(&get("/some?who=b")), None);
    assert_eq!(world.blocked(&get("/any?who=a")), None, "where nobody counts it");
}

#[test]
fn who_is_blocked_is_not_charged() {
    let world = world(POLICY);
    let sent = get("/some?who=a");
    let [address] = world.identities(&sent)[..] else { panic!("an address alone") };
    world.block(address, 60);
    for _ in 0..9 {
        assert!(world.blocked(&sent).is_some());
    }
    world.unblock(address);
    assert_eq!(world.admitted(&sent), 2);
}

#[test]
fn what_stands_in_redis_is_copied_and_goes_again() {
    let world = world(POLICY);
    let place = Keeper::redis("redis", "tollgate:");
    let sent = get("/any");
    let [address] = world.identities(&sent)[..] else { panic!("an address alone") };
    world.gate.hear(place, 1, &[(address, Duration::from_mins(1))], world.now);
    assert_eq!(world.blocked(&sent).as_deref(), Some("60"));
    world.gate.hear(place, 1, &[(address, Duration::from_millis(59_900))], world.now);
    assert_eq!(world.blocked(&sent).as_deref(), Some("60"), "no news: it is not written again");
    world.gate.hear(place, 2, &[], world.now);
    assert_eq!(world.blocked(&sent), None);
}

/// What the log is told of a request.
fn told(world: &World, sent: &Sent) -> String {
    let outcome = world.send(sent);
    let policy = &world.gate.config().policy;
    Entry::of(policy, outcome.decision.ruling(), &outcome.decision).header()
}

#[test]
fn the_log_names_scope_client_wait_and_what_is_left() {
    let world = world(POLICY);
    let sent = get("/some?who=a");
    let client = world.plan(&sent).iter().find(|charge| charge.scope == 1).expect("it is counted").client;
    let address = world.identities(&sent)[0];
    assert_eq!(told(&world, &sent), format!(r#"allowed;scope="some";client="{client}";remaining=1"#));
    assert_eq!(
        told(&world, &sent),
        format!(r#"allowed;scope="some";shadow="quiet";client="{client}";remaining=0"#)
    );
    assert_eq!(
        told(&world, &sent),
        format!(r#"denied;scope="some";shadow="quiet";client="{client}";wait=3600;remaining=0"#)
    );
    assert_eq!(told(&world, &get("/any")), format!(r#"allowed;shadow="quiet";client="{address}""#));
    world.block(address, 90);
    assert_eq!(told(&world, &sent), format!(r#"blocked;client="{address}";wait=90"#));
    assert_eq!(Entry::malformed().header(), "malformed");
}

#[test]
fn the_log_is_told_of_what_does_not_simply_pass_unless_it_is_to_be_told_of_all_or_nothing() {
    let which = |setting: &str| {
        let world = world(&POLICY.replacen('{', &format!("{{ {setting}"), 1));
        let takes = |sent: &Sent| {
            let decision = world.send(sent).decision;
            world.gate.config().access_log.takes(decision.ruling(), &decision)
        };
        let some = get("/some?who=a");
        [takes(&some), takes(&some), takes(&some), takes(&get("/health"))]
    };
    assert_eq!(which(""), [false, true, true, false], "allowed; shadowed; denied; exempt");
    assert_eq!(which(r#""access_log": "limited","#), which(""));
    assert_eq!(which(r#""access_log": "all","#), [true; 4]);
    assert_eq!(which(r#""access_log": "off","#), [false; 4]);
    let malformed =
        |logged: Logged| logged.takes(Ruling::Malformed, &tollgate::decision::Decision::default());
    assert_eq!([Logged::Off, Logged::Limited, Logged::All].map(malformed), [false, true, true]);
    for wrong in [r#""denied""#, "true", "null"] {
        assert_eq!(
            refused(&format!(r#"{{ "access_log": {wrong} }}"#))
                .split_once(": expected ")
                .map(|(_, after)| after.to_owned()),
            Some("`limited`, `all` or `off`".to_owned()),
            "{wrong}"
        );
    }
}
