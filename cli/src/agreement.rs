//! What is explained is what is decided: random policies, random requests.

#[path = "../tests/documents/mod.rs"]
mod documents;

use std::time::Duration;

use documents::Random;

use crate::check;
use crate::explain::{Explanation, Verdict, show, show_outcome};
use crate::policy::Policy;
use crate::request::{Sent, Url};
use crate::words;
use crate::world::{Answer, World};

fn request(random: &mut Random) -> Sent {
    let targets = [
        "/",
        "/a",
        "/api/x",
        "/jobs/7/result/",
        "/a/c",
        "/%61?a=1",
        "/x/../a?ids_only=1&a=0",
        "/a%2fb;c",
        "/api/v2/jobs/?a",
        "*",
        "/b/c?A[]=false",
        "/..;/a",
        "//a//b",
        "/a#b",
    ];
    let method = random.pick(&["GET", "POST", "HEAD", "M-SEARCH", "get"]);
    let url = Url::parse(random.pick(&targets).as_bytes()).expect("a target");
    let mut sent = Sent::new(method.as_bytes(), url).expect("a request");
    sent.host = random.pick(&["example.com", "a.example.com:80", "[::1]", ""]).into();
    let headers = [
        "Authorization: Token abc",
        "Authorization: Basic dTpw",
        "Authorization: Bearer x",
        "Cookie: sid=1",
        "Cookie: sid=1; sid=2; a=b",
        "X-Api-Key: a",
        "User-Agent: Googlebot/2.1",
        "Content-Type: application/grpc",
        "X-HTTP-Method-Override: DELETE",
        "a: a",
        "X-Original-URI: /forged",
        "X-Original-URL: http://a.test/forged",
        "X-Sent-From: nginx-ingress-controller",
    ];
    for _ in 0..random.below(4) {
        sent.put_line(random.pick(&headers).as_bytes()).expect("a header");
    }
    sent.come_from(random.pick(&["192.0.2.1", "10.0.0.7", "2001:db8::1", "unknown", "::ffff:192.0.2.7"]))
        .expect("an address");
    if random.below(3) == 0 {
        sent.put_claim("sub=alice").expect("a claim");
    }
    sent
}

fn answer(random: &mut Random) -> Answer {
    match random.below(5) {
        0 => Answer::Status(401, None),
        1 => Answer::Never,
        2 => Answer::Status(200, Some(16)),
        _ => Answer::Status(200, None),
    }
}

#[test]
fn explanations_agree_with_decisions() {
    let (mut policies, mut applied, mut denied) = (0, 0, 0);
    for seed in 0..1_500 {
        let mut random = Random::new(seed);
        let mut document = documents::policy(&mut random);
        if seed % 4 == 0 {
            documents::mutate(&mut document, &mut random);
        }
        let document = document.to_string();
        let Ok(policy) = Policy::parse("random", document.as_bytes()) else { continue };
        policies += 1;
        let world = World::new(&policy);
        let sent: Vec<Sent> = (0..4).map(|_| request(&mut random)).collect();
        for number in 0..24_u32 {
            let sent = &sent[random.below(sent.len())];
            let answer = answer(&mut random);
            let at = Duration::from_millis(u64::from(number) * 700);
            let outcome = world.send(sent, at, answer);
            let explanation = Explanation::of(&world, sent, &outcome);
            let context = || format!("{document}\n{sent:?}\n{explanation:#?}");
            let mut charged: Vec<usize> = outcome.charges.iter().map(|charge| charge.scope).collect();
            charged.sort_unstable();
            charged.dedup();
            let explained: Vec<usize> =
                explanation.scopes.iter().filter(|scope| scope.applies).map(|scope| scope.index).collect();
            assert_eq!(explained, charged, "{}", context());
            for judged in explanation.scopes.iter().flat_map(|scope| &scope.judged) {
                let holds = judged.why.iter().all(|step| step.holds);
                assert!(
                    holds != (judged.decided_by == Some("match")) || judged.decided_by == Some("exempt"),
                    "{}",
                    context()
                );
                assert!(judged.applies != judged.limits.is_empty(), "{}", context());
            }
            let said: usize = explanation
                .scopes
                .iter()
                .flat_map(|scope| &scope.judged)
                .map(|judged| judged.limits.len())
                .sum();
            assert_eq!(said, outcome.charges.len(), "each charge is explained, once: {}", context());
            applied += charged.len();
            denied += usize::from(!outcome.is_allowed());
            let mut out = String::new();
            show(&explanation, &mut out);
            show_outcome(&outcome, &Verdict::of(&policy, &outcome, at).words(), answer, &mut out);
        }
        let mut out = String::new();
        words::show(&policy, &mut out);
        if seed % 50 == 0 {
            check::try_out(&policy);
        }
    }
    assert!(
        policies > 300 && applied > 10_000 && denied > 200,
        "{policies} policies, {applied} applied, {denied} denied"
    );
}
