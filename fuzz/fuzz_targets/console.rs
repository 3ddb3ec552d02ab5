//! Whatever is sent to the console, or stands where operators' acts are kept, it is understood or refused.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tollgate::config::Token;
use tollgate::console::{Act, Ask, Call, Door};
use tollgate::request::Headers;
use tollgate::store::Acts;
use tollgate::time::Time;

fuzz_target!(|input: (&[u8], &[u8], &[u8], &[u8])| {
    let (block, body, to, from) = input;
    let headers = Headers::new(block);
    let pairs: Vec<_> = headers.iter().collect();
    let listed = Headers::of_pairs(&pairs);
    let token = Token { name: "ops".to_owned(), secret: "0123456789abcdef".to_owned() };
    let mut statuses = Vec::new();
    for tokens in [Vec::new(), vec![token]] {
        let door = Door { tokens };
        let refused = |headers| door.admit(Call { headers, to, from }).err().map(|answer| answer.status);
        assert_eq!(refused(headers), refused(listed));
        statuses.extend(refused(headers));
    }
    let ask = Ask::read(headers, body);
    assert_eq!(ask, Ask::read(listed, body));
    match ask {
        Err(answer) => statuses.push(answer.status),
        Ok(Ask::Act { act: Act::Block(span), .. }) => assert!((1..=31 * 86_400).contains(&span.as_secs())),
        Ok(_) => {}
    }
    assert!(statuses.iter().all(|status| (400..500).contains(status)), "{statuses:?}");
    // What is read is written so that it reads the same.
    if let Some(acts) = Acts::decode(body) {
        let now = Time::from_micros(1);
        let written = acts.encode(now);
        let again = Acts::decode(&written).expect("it was just written");
        assert_eq!(again.encode(now), written);
        assert!(acts.blocked(now).eq(again.blocked(now)));
    }
});
