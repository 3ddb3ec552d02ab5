//! What the console says to Redis, and what it makes of whatever comes back.

use std::time::Duration;

use proptest::prelude::*;
use tollgate::limit::Verdict;
use tollgate::redis::{
    Acts, Brought, Cursor, Errand, Failure, Login, MAX_ANSWER, Question, Refused, Settings, Surveyed,
    console_script,
};
use tollgate::store::{CounterId, Seen, Watched};

use super::{bucket, client, limit, settings};

fn watched() -> Vec<Watched> {
    let one = |counter, limit| Watched { counter: CounterId(counter), limit };
    vec![one(1, limit("5/min")), one(2, bucket("5/min", 9))]
}

/// Each question, a good reply to it as words (`:7`, or bytes), and what that says.
fn questions() -> Vec<(Question, Vec<String>, Brought)> {
    let (one, other) = (client(1), client(2));
    let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    let micros = Duration::from_micros;
    let standings = vec![
        (0, Verdict::Admitted { remaining: 4, reset: micros(60) }),
        (1, Verdict::Denied { wait: micros(50) }),
    ];
    let seen = Seen { client: one, proved_for: Some(micros(9)), standings };
    let nothing = Seen { client: other, proved_for: None, standings: vec![] };
    let survey = Question::Survey { cursor: Cursor::default(), watched: watched() };
    let step = format!(":1764 :3 17 {one} :2 :9 :1 :0 :50 :0 :0 :1 :4 :60 {other} :0 :0");
    let done = |changed| Brought::Done { changed };
    vec![
        (
            Question::Look { client: one, watched: watched() },
            // The script says them in no order.
            words(":1764 :1 :70 :9 :1 :0 :50 :0 :0 :1 :4 :60"),
            Brought::Seen { seen: seen.clone(), blocked_for: Some(micros(70)), is_corrupt: true },
        ),
        (
            Question::Look { client: other, watched: watched() },
            words(":1764 :0 :0 :0"),
            Brought::Seen { seen: nothing.clone(), blocked_for: None, is_corrupt: false },
        ),
        (
            survey.clone(),
            words(":1764 :0 0"),
            Brought::Surveyed(Surveyed { next: None, found: vec![], corrupt: 0 }),
        ),
        (
            survey,
            words(&step),
            Brought::Surveyed(Surveyed { next: Some(cursor(17)), found: vec![seen, nothing], corrupt: 3 }),
        ),
        (Question::Block { client: one, lasts: micros(5) }, words(":1764 :0 :1"), done(true)),
        (Question::Unblock { client: one }, words(":1764 :0 :0"), done(false)),
        (Question::Pardon { client: one }, words(":1764 :0 :1"), done(true)),
    ]
}

/// The cursor with this number, as only a reply has it.
fn cursor(number: u64) -> Cursor {
    let mut errand =
        Errand::new(&settings(), Question::Survey { cursor: Cursor::default(), watched: vec![] });
    match errand.hear(&reply(&[":1764".into(), ":0".into(), number.to_string()])) {
        Some(Ok(Brought::Surveyed(Surveyed { next: Some(cursor), .. }))) => cursor,
        other => panic!("{other:?}"),
    }
}

fn reply(words: &[String]) -> Vec<u8> {
    let word = |word: &String| match word.strip_prefix(':') {
        Some(number) => format!(":{number}\r\n"),
        None => format!("${}\r\n{word}\r\n", word.len()),
    };
    format!("*{}\r\n{}", words.len(), words.iter().map(word).collect::<String>()).into_bytes()
}

const TIME: &[u8] = b"*2\r\n$4\r\n1764\r\n$1\r\n0\r\n";

#[test]
fn good_replies_are_understood_in_whatever_pieces_they_come() {
    for (question, words, brought) in questions() {
        let bytes = reply(&words);
        let mut errand = Errand::new(&settings(), question.clone());
        assert_eq!(errand.hear(&bytes), Some(Ok(brought.clone())), "{question:?}");
        assert_eq!(errand.hear(&bytes), None, "it is over");
        let mut errand = Errand::new(&settings(), question.clone());
        let heard: Vec<_> = bytes.iter().map(|byte| errand.hear(&[*byte])).collect();
        let (last, before) = heard.split_last().expect("some bytes");
        assert!(before.iter().all(Option::is_none), "{question:?}");
        assert_eq!(*last, Some(Ok(brought)));
    }
    let mut errand = Errand::new(&settings(), Question::Acts);
    assert_eq!(errand.hear(TIME), None, "there are two replies");
    let members = reply(&["acts".into(), "7".into(), client(1).to_string(), "1765000000".into()]);
    let acts = Acts { number: 7, blocked: vec![(client(1), Duration::from_secs(1))] };
    assert_eq!(errand.hear(&members), Some(Ok(Brought::Acts(acts))));
}

#[test]
fn what_is_no_answer_is_said_to_be_none() {
    for (question, words, _) in questions() {
        let mut others: Vec<Vec<String>> = (0..words.len()).map(|cut| words[..cut].to_vec()).collect();
        let mut errand = Errand::new(&settings(), question.clone());
        let longer = [&words[..], &[":1".to_owned()]].concat();
        assert_eq!(errand.hear(&reply(&longer)), Some(Err(Refused::Nonsense)), "{question:?}");
        for place in 0..words.len() {
            for other in ["x", ":-1", ":9223372036854775807"] {
                let mut words = words.clone();
                words[place] = other.to_owned();
                others.push(words);
            }
        }
        for words in others {
            let mut errand = Errand::new(&settings(), question.clone());
            let heard = errand.hear(&reply(&words)).expect("it is whole");
            // Some numbers are as good as others, and a survey may end behind any client.
            match heard {
                Err(refused) => assert_eq!(refused, Refused::Nonsense, "{question:?} {words:?}"),
                Ok(_) => assert!(words.len() >= 3 && words.iter().all(|word| word != "x" && word != ":-1")),
            }
        }
        for bytes in [&b"+OK\r\n"[..], b":7\r\n", b"*-1\r\n", b"*0\r\n", b"HTTP/1.1 200 OK\r\n", b"$-1\r\n"] {
            let mut errand = Errand::new(&settings(), question.clone());
            assert_eq!(errand.hear(bytes), Some(Err(Refused::Nonsense)), "{question:?}");
        }
    }
    for other in [&b"+OK\r\n"[..], b"*1\r\n:7\r\n", b"*-1\r\n"] {
        let mut errand = Errand::new(&settings(), Question::Acts);
        let refused = errand.hear(&[TIME, other].concat()).expect("it is whole").unwrap_err();
        assert!(refused.to_string().contains("not understood"), "{refused}");
    }
    assert!(Refused::Nonsense.to_string().contains("is no answer"));
}

#[test]
fn a_place_that_was_not_asked_about_is_nonsense() {
    let mut errand = Errand::new(&settings(), Question::Look { client: client(1), watched: watched() });
    let words = ":1764 :0 :0 :0 :2 :1 :4 :60".split(' ').map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(errand.hear(&reply(&words)), Some(Err(Refused::Nonsense)));
}

#[test]
fn an_answer_has_an_end() {
    let long = format!("${}\r\n{}", 2 * MAX_ANSWER, "x".repeat(MAX_ANSWER));
    for (question, ..) in questions() {
        let mut errand = Errand::new(&settings(), question.clone());
        assert_eq!(errand.hear(&long.as_bytes()[..MAX_ANSWER]), None);
        assert_eq!(errand.hear(b"xxx"), Some(Err(Refused::Nonsense)), "{question:?}");
    }
    let mut errand = Errand::new(&settings(), Question::Unblock { client: client(1) });
    assert_eq!(errand.hear(b"*9223372036854775807\r\n"), None, "what is only claimed takes no memory");
}

#[test]
fn what_redis_says_is_told_in_words() {
    let login = Login { username: Some("me".into()), password: "secret".into() };
    let with_login = Settings { login: Some(login), ..settings() };
    let wrong = "-WRONGPASS invalid username-password pair or user is disabled.\r\n-NOAUTH Authentication required.\r\n";
    for (settings, said, failure, expected) in [
        (&with_login, wrong, Failure::Auth, "WRONGPASS invalid"),
        (
            &with_login,
            "+OK\r\n-OOM command not allowed\r\n",
            Failure::Memory,
            "(memory): OOM command not allowed",
        ),
        (&settings(), "-ERR max number of clients reached\r\n", Failure::TooManyClients, "max number"),
        (
            &settings(),
            "-ERR ACL failure in script: User u has no permissions to run the 'zadd' command script: d115, on @user_script:9.\r\n",
            Failure::Auth,
            "'zadd' command; docs/configuration.md",
        ),
    ] {
        let mut errand = Errand::new(settings, Question::Unblock { client: client(1) });
        let refused = errand.hear(said.as_bytes()).expect("it says so").unwrap_err();
        assert!(matches!(&refused, Refused::ByRedis(refusal) if refusal.failure == failure), "{refused:?}");
        assert!(refused.to_string().contains(expected), "{refused}");
    }
    let mut errand = Errand::new(&with_login, Question::Unblock { client: client(1) });
    assert_eq!(errand.hear(b"+OK\r\n"), None);
    assert_eq!(errand.hear(b"*3\r\n:1\r\n:0\r\n:1\r\n"), Some(Ok(Brought::Done { changed: true })));
}

#[test]
fn an_errand_needs_nothing_that_redis_was_told_before() {
    let login = Login { username: None, password: "secret".into() };
    let with_login = Settings { login: Some(login), ..settings() };
    for (question, ..) in questions() {
        let said = Errand::new(&with_login, question.clone()).commands();
        let said = String::from_utf8_lossy(&said).into_owned();
        assert!(said.starts_with("*2\r\n$4\r\nAUTH\r\n$6\r\nsecret\r\n*"), "{said}");
        assert!(said.contains(&console_script()) && said.contains("{tollgate}:v2:acts"));
        let shown = format!("{:?}", Errand::new(&with_login, question));
        assert!(!shown.contains("secret"), "{shown}");
    }
    let said = Errand::new(&settings(), Question::Acts).commands();
    let expected = "*1\r\n$4\r\nTIME\r\n*5\r\n$6\r\nZRANGE\r\n$18\r\n{tollgate}:v2:acts\r\n$1\r\n0\r\n$4\r\n1000\r\n$10\r\nWITHSCORES\r\n";
    assert_eq!(String::from_utf8_lossy(&said), expected);
}

proptest! {
    #[test]
    fn whatever_comes_there_is_one_answer_at_most(
        which in 0..7_usize,
        pieces in prop::collection::vec(prop_oneof![
            prop::collection::vec(any::<u8>(), 0..40),
            Just(b"*3\r\n:1\r\n:0\r\n".to_vec()),
            Just(b"$2\r\n17\r\n".to_vec()),
            Just(b":2\r\n".to_vec()),
            Just(b"*9\r\n".to_vec()),
        ], 0..20),
    ) {
        let (question, words, _) = questions().swap_remove(which);
        let mut errand = Errand::new(&settings(), question);
        let answers = pieces.iter().chain([&reply(&words)]).filter_map(|piece| errand.hear(piece)).count();
        prop_assert!(answers <= 1);
    }
}
