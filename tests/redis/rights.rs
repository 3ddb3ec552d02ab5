//! What Redis may refuse to operators.

use tollgate::redis::{Cursor, Failure, Login, Question, Refused, Settings};

use super::console::{MINUTE, NOW, acts, asks, block, does, looks, pardon, two_limits, unblock};
use super::server::{Connection, Program};
use super::{Script, client, commands, settings, with_every_server};

/// The rights that docs/configuration.md names: for those that charge, and what the console needs besides.
const RIGHTS: [&str; 9] =
    ["+evalsha", "+script|load", "+get", "+set", "+del", "+time", "+zrange", "+info", "~{tollgate}:*"];

const RIGHTS_OF_CONSOLE: [&str; 5] = ["+eval", "+scan", "+zadd", "+zrem", "+pexpireat"];

fn user(console: &mut Connection, rights: &[&str]) {
    let words =
        ["ACL", "SETUSER", "operator", "reset", "on", ">password"].into_iter().chain(rights.iter().copied());
    console.command(&words.map(str::as_bytes).collect::<Vec<_>>());
}

#[test]
fn the_rights_in_the_manual_suffice_and_each_is_needed() {
    with_every_server(|program| {
        let script = Script::on_its_own_clock(program, "rights");
        let mut admin = script.server.connect();
        let login = Login { username: Some("operator".to_owned()), password: "password".to_owned() };
        let settings = Settings { login: Some(login), ..settings() };
        let survey = || Question::Survey { cursor: Cursor::default(), watched: vec![] };
        let look = || Question::Look { client: client(1), watched: vec![] };
        let questions = [block(1, MINUTE), look(), survey(), unblock(1), pardon(1), Question::Acts];
        let all = [&RIGHTS[..], &RIGHTS_OF_CONSOLE].concat();
        user(&mut admin, &all);
        let asks = |question: &Question| {
            script.server.connect().errand_with(&settings, question.clone(), |commands| commands)
        };
        for question in &questions {
            assert!(asks(question).is_ok(), "{question:?}: {:?}", asks(question));
        }
        for needed in
            [&RIGHTS_OF_CONSOLE[..], &["+get", "+del", "+time", "+zrange", "~{tollgate}:*"]].concat()
        {
            let fewer: Vec<_> = all.iter().copied().filter(|right| *right != needed).collect();
            user(&mut admin, &fewer);
            admin.command(&[b"DEL", commands().acts_key().as_bytes()]);
            asks(&block(1, MINUTE)).ok();
            let refused: Vec<_> = questions.iter().filter_map(|question| asks(question).err()).collect();
            assert!(!refused.is_empty(), "{needed} is not needed");
            for refused in refused {
                assert!(
                    matches!(&refused, Refused::ByRedis(refusal) if refusal.failure == Failure::Auth),
                    "{needed}: {refused:?}"
                );
                assert!(refused.to_string().contains("docs/configuration.md"));
            }
        }
        user(&mut admin, &all);
        let wrong = Settings {
            login: Some(Login { username: Some("operator".to_owned()), password: "wrong".to_owned() }),
            ..settings.clone()
        };
        let refused = script.server.connect().errand_with(&wrong, look(), |commands| commands).unwrap_err();
        assert!(
            matches!(&refused, Refused::ByRedis(refusal) if refusal.failure == Failure::Auth),
            "{refused:?}"
        );
    });
}

#[test]
fn an_act_that_redis_cannot_write_is_refused_and_not_done() {
    with_every_server(full);
}

fn full(program: &Program) {
    let mut script = Script::on_its_own_clock(program, "full");
    let mut console = script.server.connect();
    let (plan, limits) = two_limits();
    script.charge(&plan, NOW).unwrap();
    does(&mut console, block(2, MINUTE));
    let before = acts(&mut console);
    console.command(&[b"CONFIG", b"SET", b"maxmemory", b"1"]);
    for question in [pardon(1), block(1, MINUTE), unblock(2)] {
        let refused = asks(&mut console, question).unwrap_err();
        assert!(
            matches!(&refused, Refused::ByRedis(refusal) if refusal.failure == Failure::Memory),
            "{refused:?}"
        );
    }
    assert_eq!(looks(&mut console, client(1), &limits).0.standings.len(), 2);
    let after = acts(&mut console);
    assert_eq!((after.number, after.blocked.len()), (before.number, 1));
}
