//! Any headers, bodies, responses and schedules, in any order, through the module's border, with a host of our own in Envoy's place:
//! nothing that is lent is used for too long, and nothing is kept.
//!
//! `scripts/fuzz` runs it with the address sanitizer: it is the one target with `unsafe` behind it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tollgate_module::abi::Attribute;
use tollgate_module::abi::host::{Fields, Host, HostStream};
use tollgate_module::module::Module;

/// So many streams are open at once.
const STREAMS: usize = 4;

const DOCUMENTS: [&str; 2] = [
    "{}",
    r#"{ "failure": "deny", "scopes": { "all": { "rate": "3/s", "key": [{ "jwt_claim": "sub" }, "address"] } } }"#,
];

thread_local! {
    /// They stay: a configuration is opened once, and has many requests.
    static HOSTS: Vec<Host<Module>> = DOCUMENTS
        .iter()
        .map(|document| Host::open(b"tollgate", document.as_bytes()).expect("a policy"))
        .collect();
}

fuzz_target!(|input: &[u8]| {
    let Some((first, rest)) = input.split_first() else { return };
    HOSTS.with(|hosts| play(&hosts[usize::from(*first) % hosts.len()], rest));
});

/// Plays what the input says, one byte for each step and behind it what the step is about.
fn play(host: &Host<Module>, mut rest: &[u8]) {
    let mut streams: Vec<_> = (0..STREAMS).map(|_| (host.stream(), false)).collect();
    while let Some((step, after)) = rest.split_first() {
        let (stream, has_begun) = &mut streams[usize::from(step >> 6)];
        rest = act(*step, stream, has_begun, after);
        if step % 16 == 15 {
            host.do_scheduled();
        }
    }
    drop(streams);
    assert_eq!(host.metric("tollgate.panics_total.policy.tollgate"), Some(0));
}

/// One thing that happens to a stream. Returns what is left of the input.
fn act<'a>(step: u8, stream: &mut HostStream<'_, Module>, has_begun: &mut bool, rest: &'a [u8]) -> &'a [u8] {
    // Envoy calls nothing of a stream that has ended, and asks about no request that is answered, or that has not come.
    if !stream.is_there() || (stream.sent().is_some() || !*has_begun) && matches!(step % 16, 4..=6) {
        return rest;
    }
    let (fields, behind_fields) = fields(rest);
    let (bytes, behind_bytes) = part(rest).unwrap_or((rest, &[]));
    let end = step & 32 != 0;
    match step % 16 {
        0..=3 if !*has_begun => {
            *has_begun = true;
            stream.request(fields, end);
            behind_fields
        }
        4 | 5 => {
            stream.body(bytes, end);
            behind_bytes
        }
        6 => {
            stream.request_trailers();
            rest
        }
        7 | 8 => {
            stream.respond(fields, end);
            behind_fields
        }
        9 => {
            stream.trailers(fields);
            behind_fields
        }
        10 => {
            stream.set_attribute(Attribute::SourceAddress, bytes);
            behind_bytes
        }
        11 => {
            stream.set_attribute(Attribute::ResponseCodeDetails, bytes);
            behind_bytes
        }
        12 => {
            stream.set_filter_state("tollgate.jwt_payload", bytes);
            behind_bytes
        }
        13 => {
            stream.end_at_once();
            rest
        }
        14 => {
            stream.do_scheduled();
            rest
        }
        15 => {
            stream.end();
            rest
        }
        _ => rest,
    }
}

/// The first bytes, by a byte that says how many, and the others.
fn part(input: &[u8]) -> Option<(&[u8], &[u8])> {
    let (count, rest) = input.split_first()?;
    rest.split_at_checked(usize::from(*count))
}

/// Some fields, by a byte that says how many, and what is behind them.
fn fields(input: &[u8]) -> (Fields, &[u8]) {
    let Some((count, mut rest)) = input.split_first() else { return (Fields::new(), input) };
    let mut fields = Fields::new();
    for _ in 0..*count {
        let Some((name, after)) = part(rest) else { break };
        let Some((value, after)) = part(after) else { break };
        fields.push((name.to_ascii_lowercase(), value.to_vec()));
        rest = after;
    }
    (fields, rest)
}
