//! The script in a real Redis, and the worker's side of it.

mod agreement;
#[path = "../common/charges.rs"]
mod charges;
mod console;
mod errands;
mod everybody;
mod failing;
mod hearsay;
#[path = "../common/model.rs"]
mod model;
mod operators;
mod played;
mod policies;
mod remembered;
mod rights;
mod server;
#[path = "../common/settlement.rs"]
mod settled;
mod settlement;
mod surveys;
mod talk;

use std::time::Duration;

use tollgate::redis::{
    Answer, Brought, Commands, Failure, Question, Refused, Reply, SCRIPT_SHA1, Settings, Settled,
    charging_script, console_script,
};
use tollgate::store::{Charge, Plan, Proves, Settlement};
use tollgate::time::Time;

use charges::{bucket, charge, client, limit};
use server::{Connection, Program, Server, encode, programs};

const PREFIX: &str = "{tollgate}:";

fn commands() -> Commands {
    Commands::new(PREFIX.to_owned(), None)
}

fn settings() -> Settings {
    Settings { prefix: PREFIX.to_owned(), ..played::settings() }
}

/// A Redis with the script, on its own clock or on one that the test sets.
struct Script {
    connection: Connection,
    sha1: String,
    sets_clock: bool,
    server: Server,
}

impl Script {
    fn on_its_own_clock(program: &Program, name: &str) -> Self {
        Self::start(program, name, &charging_script(), false)
    }

    /// The same script, but it reads the time from a list, and keys stay: they would expire by another clock.
    fn on_a_set_clock(program: &Program, name: &str) -> Self {
        Self::start(program, name, &on_a_list(charging_script()), true)
    }

    fn start(program: &Program, name: &str, script: &str, sets_clock: bool) -> Self {
        let server = Server::start(program, name);
        let mut connection = server.connect();
        let sha1 = connection.command(&[b"SCRIPT", b"LOAD", script.as_bytes()]);
        Self { connection, sha1, sets_clock, server }
    }

    fn charge(&mut self, plan: &Plan, now: Time) -> Result<Answer, Failure> {
        let mut command = Vec::new();
        commands().charge(plan, &mut command);
        self.call(&command, now, |reply| Answer::read(&reply, plan))
    }

    fn settle(&mut self, settlement: &Settlement, now: Time) -> Result<Settled, Failure> {
        let mut command = Vec::new();
        commands().settle(settlement, &mut command);
        self.call(&command, now, |reply| Settled::read(&reply))
    }

    /// What the console asks.
    fn ask(&mut self, question: Question, now: Time) -> Result<Brought, Refused> {
        if !self.sets_clock {
            return self.connection.errand(question, |commands| commands);
        }
        self.connection.last_of(&set_clock(now), 2, |_| ());
        self.connection.errand(question, |commands| rescripted(&commands, |own| on_a_list(own.to_owned())))
    }

    fn call<T>(&mut self, command: &[u8], now: Time, read: impl FnOnce(Reply) -> T) -> T {
        let command = replace(command, SCRIPT_SHA1.as_bytes(), self.sha1.as_bytes());
        if !self.sets_clock {
            return self.connection.last_of(&command, 1, read);
        }
        self.connection.last_of(&[set_clock(now), command].concat(), 3, read)
    }
}

/// A script that reads the time from a list, and whose keys stay.
fn on_a_list(mut script: String) -> String {
    for (own, other) in [
        ("redis.call('TIME')", "redis.call('LRANGE','clock',0,1)"),
        ("'PX', math.ceil((latest - now) / 1000) + 2", "'PX', 3600000"),
    ] {
        assert_eq!(script.matches(own).count(), 1, "the script has one `{own}`");
        script = script.replace(own, other);
    }
    script
}

/// The console's commands with another script.
fn rescripted(commands: &[u8], change: impl FnOnce(&str) -> String) -> Vec<u8> {
    let argument = |script: &str| format!("${}\r\n{script}\r\n", script.len()).into_bytes();
    replace(commands, &argument(&console_script()), &argument(&change(&console_script())))
}

/// The two commands that set that clock.
fn set_clock(now: Time) -> Vec<u8> {
    let (seconds, micros) = (now.micros() / 1_000_000, now.micros() % 1_000_000);
    let [seconds, micros] = [seconds, micros].map(|number| number.to_string());
    let set = encode(&[b"RPUSH", b"clock", seconds.as_bytes(), micros.as_bytes()]);
    [encode(&[b"DEL", b"clock"]), set].concat()
}

fn replace(bytes: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let place = bytes.windows(from.len()).position(|window| window == from).expect("it is there");
    [&bytes[..place], to, &bytes[place + from.len()..]].concat()
}

fn certain(charges: Vec<Charge>) -> Plan {
    Plan::Certain { charges, known: None, proves: Proves::Nothing }
}

/// Runs a test with every server there is. It says which one before it fails.
fn with_every_server(test: impl Fn(&Program)) {
    for program in programs() {
        println!("with {}", program.name());
        test(&program);
    }
}

#[test]
fn the_script_is_called_by_its_name() {
    with_every_server(|program| {
        let script = Script::on_its_own_clock(program, "name");
        assert_eq!(SCRIPT_SHA1, script.sha1, "the constant SCRIPT_SHA1 belongs to another script");
    });
}

/// The answer to `PTTL`, or to `TIME`, in microseconds.
fn micros(reply: &Reply) -> Option<u64> {
    match reply {
        Reply::Number(millis) => u64::try_from(*millis).ok().map(|millis| millis * 1_000),
        Reply::List(Some(parts)) => {
            let number = |part: &Reply| match part {
                Reply::Bytes(Some(text)) => std::str::from_utf8(text).ok()?.parse::<u64>().ok(),
                _ => None,
            };
            Some(number(&parts[0])? * 1_000_000 + number(&parts[1])?)
        }
        _ => None,
    }
}

#[test]
fn every_key_expires_by_itself_and_says_nothing() {
    with_every_server(keys_expire);
}

fn keys_expire(program: &Program) {
    let mut script = Script::on_its_own_clock(program, "expiry");
    let now = Time::default();
    let ttl = |script: &mut Script, name| -> i64 {
        let key = commands().key(client(name));
        script.connection.last_of(&encode(&[b"PTTL", key.as_bytes()]), 1, |reply| match reply {
            Reply::Number(millis) => millis,
            other => panic!("{other:?}"),
        })
    };
    let within = |least: i64, most: i64, found: i64| assert!((least..=most).contains(&found), "{found}");
    // A minute from the charge; with the coarse marks of a large quota 1/64 more.
    script.charge(&certain(vec![charge(1, 1, limit("60/min"))]), now).unwrap();
    within(50_000, 60_002, ttl(&mut script, 1));
    script.charge(&certain(vec![charge(2, 1, limit("300/min")), charge(2, 2, limit("5/s"))]), now).unwrap();
    within(50_000, 60_940, ttl(&mut script, 2));
    // One of a thousand flows in within 3.6 seconds.
    script.charge(&certain(vec![charge(3, 1, bucket("1000/h", 1000))]), now).unwrap();
    within(1, 3_602, ttl(&mut script, 3));
    // Not a millisecond before its last mark is over. The clock is asked behind what is left, so it says no less.
    let plan = certain(vec![charge(6, 1, limit("60/min"))]);
    let answer = script.charge(&plan, now).unwrap();
    let key = commands().key(client(6));
    let both = [encode(&[b"PTTL", key.as_bytes()]), encode(&[b"TIME"])].concat();
    let read = |replies: Vec<Reply>| replies.iter().filter_map(micros).collect::<Vec<_>>();
    let [left, now_there] = script.connection.all_of(&both, 2, read)[..] else { panic!("two replies") };
    let over = answer.now.after(Duration::from_mins(1)).micros();
    assert!(now_there + left >= over, "{} µs early", over - now_there - left);
    assert!(answer.now.micros() + left <= over + 3_000, "and not much later");
    // What is all given back matters no more.
    let answer = script.charge(&certain(vec![charge(4, 1, limit("60/min"))]), now).unwrap();
    script.settle(&answer.undo(), now).unwrap();
    assert_eq!(ttl(&mut script, 4), -2, "there is no such key");
    // A proof counts for an hour, and is noted for an eighth longer.
    let proof = tollgate::store::Proof { client: client(5), lasts: Duration::from_hours(1) };
    let settlement = Settlement { proof: Some(proof), ..Settlement::default() };
    assert_eq!(script.settle(&settlement, now).unwrap().proved_for, Some(proof.noted_for()));
    within(4_040_000, 4_050_002, ttl(&mut script, 5));
    let mut keys = script.connection.command(&[b"KEYS", b"*"]);
    for name in [1, 2, 3, 5, 6] {
        let key = commands().key(client(name));
        assert_eq!(key.len(), "{tollgate}:v2:".len() + 32);
        assert!(keys.contains(&key.bytes().map(|byte| byte.to_string()).collect::<Vec<_>>().join(", ")));
        keys = keys.replacen("Bytes", "", 1);
    }
    assert!(!keys.contains("Bytes"), "there are no other keys");
}

#[test]
fn what_was_not_written_here_counts_as_nothing_and_is_counted() {
    with_every_server(broken_values);
}

fn broken_values(program: &Program) {
    let mut script = Script::on_its_own_clock(program, "broken");
    let now = Time::default();
    let plan = certain(vec![charge(1, 1, limit("5/h")), charge(1, 2, bucket("5/h", 5))]);
    let key = commands().key(client(1));
    script.charge(&plan, now).unwrap();
    let good = script.connection.last_of(&encode(&[b"GET", key.as_bytes()]), 1, |reply| match reply {
        Reply::Bytes(Some(bytes)) => bytes.to_vec(),
        other => panic!("{other:?}"),
    });
    let pack = |lua: &str| format!("return redis.call('SET', KEYS[1], cmsgpack.pack({lua}))").into_bytes();
    let mut broken: Vec<Vec<u8>> = vec![b"".to_vec(), b"hello".to_vec(), b"\xff\xff\xff".to_vec()];
    broken.extend((1..good.len()).map(|cut| good[..cut].to_vec()));
    for value in broken {
        script.connection.command(&[b"SET", key.as_bytes(), &value]);
        let answer = script.charge(&plan, now).unwrap();
        assert_eq!(answer.outcome.events.corrupt, 1, "{value:?}");
        assert!(answer.outcome.verdicts.iter().all(tollgate::limit::Verdict::is_admitted));
        assert_eq!(script.charge(&plan, now).unwrap().outcome.events.corrupt, 0, "it has given way");
    }
    for value in [
        "7",
        "'x'",
        "{}",
        "{'x'}",
        "{-1}",
        "{0/0}",
        "{1e300}",
        "{0, 7}",
        "{0, {}}",
        "{0, {1, 0, 5, 3600e6, 'x', ''}}",
        "{0, {1, 0, 5, 3600e6, 1, 'x'}}",
        "{0, {1, 0, 5, 0, 1, ''}}",
        "{0, {1, 2, 5, 3600e6, 1, ''}}",
        "{0, {2, 1, 0, 3600e6, 5, 9, 9, {}, ''}}",
        "{0, {2, 1, 5, 3600e6, 5, 9, 10, {}, ''}}",
        "{0, {2, 1, 5, 3600e6, 5, 9, 9, {5, 5, 0, 3600e6, 0, 0}, ''}}",
        "{0, {2, 1, 5, 3600e6, 5, 9, 9, {5, 5, 0.5, 0, 0, 0}, ''}}",
        "{0, {2, 1, 5, 3600e6, 5, 9, 9, {0, 5, 1, 0, 0, 0}, ''}}",
        "{0, {2, 1, 5, 3600e6, 5, 9, 9, {5, 5, 1}, ''}}",
        "{0, {2, 1, 5, 3600e6, 5, 9, 9, 7, ''}}",
        "{0, {2, 1, 5, 3600e6, 5, 9, 9, {}, 'x'}}",
        "{0, {2, 1, 5, 3600e6, 5, 9, 9, {}, struct.pack('>I7I4', 10, 1)}}",
    ] {
        script.connection.command(&[b"EVAL", &pack(value), b"1", key.as_bytes()]);
        let answer = script.charge(&plan, now).unwrap();
        assert_eq!(answer.outcome.events.corrupt, 1, "{value}");
        assert!(answer.outcome.verdicts.iter().all(tollgate::limit::Verdict::is_admitted), "{value}");
    }
    // Of another type.
    script.connection.command(&[b"DEL", key.as_bytes()]);
    script.connection.command(&[b"LPUSH", key.as_bytes(), b"x"]);
    assert_eq!(script.charge(&plan, now).unwrap().outcome.events.corrupt, 1);
    assert_eq!(script.charge(&plan, now).unwrap().outcome.events.corrupt, 0);
}

#[test]
fn errors_inside_the_script_are_told_apart() {
    with_every_server(errors);
}

fn errors(program: &Program) {
    let mut script = Script::on_its_own_clock(program, "errors");
    let plan = certain(vec![charge(1, 1, limit("5/h"))]);
    let now = Time::default();
    let whole = charging_script();
    let is_6_0 = script.connection.command(&[b"INFO", b"server"]).contains("redis_version:6.0.");
    for (set, unset, failure) in [
        (
            &[&b"CONFIG"[..], b"SET", b"maxmemory", b"1"][..],
            &[&b"CONFIG"[..], b"SET", b"maxmemory", b"0"][..],
            Failure::Memory,
        ),
        (
            &[b"CONFIG", b"SET", b"min-replicas-to-write", b"1"],
            &[b"CONFIG", b"SET", b"min-replicas-to-write", b"0"],
            Failure::ReadOnly,
        ),
        (&[b"REPLICAOF", b"127.0.0.1", b"1"], &[b"REPLICAOF", b"NO", b"ONE"], Failure::ReadOnly),
        (&[b"SCRIPT", b"FLUSH"], &[b"SCRIPT", b"LOAD", whole.as_bytes()], Failure::NoScript),
    ] {
        script.connection.command(set);
        let found = script.charge(&plan, now).map(|_| ());
        // Scripts write all the same there.
        let writes_without_replicas = set.contains(&&b"min-replicas-to-write"[..]) && is_6_0;
        let expected = if writes_without_replicas { Ok(()) } else { Err(failure) };
        assert_eq!(found, expected, "{}", String::from_utf8_lossy(&set.join(&b' ')));
        script.connection.command(unset);
        script.charge(&plan, now).unwrap();
    }
}
