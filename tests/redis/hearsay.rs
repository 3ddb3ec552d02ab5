//! How workers hear of what operators have done.

use std::time::Duration;

use tollgate::limit::Verdict;
use tollgate::redis::{Acts, Asked, Brought, Decided, Failure, Question, Step, Store};
use tollgate::store::{Acceptance, Plan, Proof, Settlement};
use tollgate::time::Time;

use super::played::{ACTS, CHARGED, Command, MEMORY, Played, at, proves};
use super::server::{Connection, Server};
use super::{Script, certain, charge, client, limit, settings, with_every_server};
use Command::{Charge, Memory, Settle};

/// What time it is there, and then what operators have done.
const TIME: &str = "*2\r\n$4\r\n1764\r\n$1\r\n0\r\n";

/// Seven things were done, and one client is blocked for three seconds.
const BLOCKED: &str = "*2\r\n$4\r\n1764\r\n$1\r\n0\r\n*6\r\n$4\r\nacts\r\n$1\r\n7\r\n\
                       $32\r\n0123456789abcdef0123456789abcdef\r\n$10\r\n1767000000\r\n\
                       $32\r\n00000000000000000000000000000000\r\n$10\r\n1764000000\r\n";

#[test]
fn they_ask_once_a_second_along_with_what_goes_anyway() {
    let mut played = Played::new();
    played.arrives(1, at(0));
    assert_eq!(played.sent, [Memory, Command::Acts, Charge]);
    played.says(&format!("{MEMORY}{BLOCKED}{CHARGED}"), at(0));
    assert_eq!(played.decided(), [(1, None)]);
    let blocked = vec![("0123456789abcdef0123456789abcdef".parse().unwrap(), Duration::from_secs(3))];
    assert_eq!(played.store.take_report().acts, Some(Acts { number: 7, blocked }));
    played.arrives(2, at(999));
    assert_eq!(played.sent, [Charge]);
    played.answers(at(999));
    assert_eq!(played.store.take_report().acts, None);
    played.ticks(at(5_000));
    assert_eq!(played.sent, [], "not for its own sake");
    played.settles(proves(9), at(5_000));
    assert_eq!(played.sent, [Command::Acts, Settle], "before what it goes with");
    played.answers(at(5_000));
    assert_eq!(played.store.take_report().acts, Some(Acts { number: 7, blocked: vec![] }));
    // Another connection is no reason to ask again.
    played.breaks(at(5_001));
    played.arrives(3, at(5_002));
    assert_eq!(played.sent, [Memory, Charge]);
}

#[test]
fn whoever_may_not_ask_goes_on_and_it_is_told() {
    let forbidden = "-NOPERM this user has no permissions to run the 'zrange' command\r\n";
    for (reply, failure) in [
        (format!("{TIME}{forbidden}"), Failure::Auth),
        (format!("{forbidden}{forbidden}"), Failure::Auth),
        // Nobody knows how long a block lasts yet where nobody knows the time.
        (format!("{forbidden}{}", BLOCKED.strip_prefix(TIME).unwrap()), Failure::Auth),
        (format!("{TIME}-ERR unknown command 'ZRANGE'\r\n"), Failure::UnknownCommand),
        (
            format!("{TIME}-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"),
            Failure::Other,
        ),
        (format!("{TIME}:7\r\n"), Failure::Reply),
        ("+OK\r\n+OK\r\n".to_owned(), Failure::Reply),
    ] {
        let mut played = Played::new().warmed_up();
        for turn in 1..=5 {
            played.arrives(turn, at(u64::from(turn) * 1_000));
            assert_eq!(played.sent, [Command::Acts, Charge]);
            played.says(&format!("{reply}{CHARGED}"), at(u64::from(turn) * 1_000));
            assert_eq!(played.decided(), [(turn, None)], "{reply}");
            let report = played.store.take_report();
            let told: Vec<_> = report.refusals.iter().map(|refusal| refusal.failure).collect();
            assert_eq!((told, report.acts, report.gave_up), (vec![failure], None, None), "{reply}");
        }
        // Nor does it count where nothing else is answered: it is no success and no failure.
        for turn in 6..=9 {
            played.arrives(turn, at(u64::from(turn) * 1_000));
            played.says(&format!("{reply}-OOM no\r\n"), at(u64::from(turn) * 1_000));
        }
        assert!(!played.store.is_asked());
        assert_eq!(played.closed, 1, "not before that");
    }
}

#[test]
fn an_error_of_theirs_is_not_why_a_connection_ends() {
    for error in ["-NOPERM no permissions", "-ERR unknown command", "-WRONGTYPE Operation"] {
        let mut played = Played::new();
        played.arrives(1, at(1_000));
        assert_eq!(played.sent, [Memory, Command::Acts, Charge]);
        played.store.received(format!("-NOPERM no\r\n{error}\r\n{error}\r\n").as_bytes(), at(1_000));
        played.breaks(at(1_001));
        assert_eq!(played.decided(), [(1, Some(Failure::Connection))], "{error}");
    }
    // But where all is refused, that is why.
    let mut played = Played::new();
    played.arrives(1, at(1_000));
    played.store.received("-LOADING Redis is loading\r\n".repeat(3).as_bytes(), at(1_000));
    played.breaks(at(1_001));
    assert_eq!(played.decided(), [(1, Some(Failure::Loading))]);
}

#[test]
fn what_was_answered_before_an_act_is_not_learnt_after_it() {
    let denied = "*8\r\n:1764\r\n:0\r\n:0\r\n:0\r\n:0\r\n:30000000\r\n:0\r\n:0\r\n";
    let news = ACTS.replace("\r\n7\r\n", "\r\n8\r\n");
    let mut played = Played::new().warmed_up();
    played.arrives(1, at(996));
    played.arrives(2, at(1_001));
    assert_eq!(played.sent, [Charge, Command::Acts, Charge]);
    played.says(&format!("{denied}{news}{CHARGED}"), at(1_002));
    assert_eq!(played.decided(), [(1, None), (2, None)]);
    let asked = played.store.ask(1, 1, super::played::plan(1), at(1_003));
    assert!(matches!(asked, Asked::Waits), "{asked:?}");
}

/// One worker, on a clock of the test's own, in milliseconds.
struct Worker<'s> {
    store: Store<u32>,
    server: &'s Server,
    connection: Option<Connection>,
}

impl<'s> Worker<'s> {
    fn new(server: &'s Server) -> Self {
        Self { store: Store::new(&settings(), 1), server, connection: None }
    }

    /// Has Redis answer what the store has to ask.
    fn go_on(&mut self, now: Time) {
        while let Some(step) = self.store.next_step(now) {
            match step {
                Step::Open => {
                    self.connection = Some(self.server.connect());
                    self.store.opened(now);
                }
                Step::Close => panic!("there is no cause to"),
                Step::Send { commands, .. } => {
                    let connection = self.connection.as_mut().expect("it is open");
                    connection.send(&commands);
                    while self.store.is_busy() && !self.store.has_decided() {
                        self.store.received(&connection.receive(), now);
                    }
                }
            }
        }
    }

    /// Whether a request is admitted, and whether Redis was asked.
    fn admits(&mut self, plan: &Plan, millis: u64) -> (bool, bool) {
        let now = at(millis);
        match self.store.ask(1, 1, plan.clone(), now) {
            Asked::Known(_, _, _, outcome) => (outcome.verdicts.iter().all(Verdict::is_admitted), false),
            Asked::Waits => {
                self.go_on(now);
                let Decided { outcome, .. } = self.store.next_decided().expect("it is decided");
                (outcome.expect("Redis answers").outcome.verdicts.iter().all(Verdict::is_admitted), true)
            }
            Asked::Refused(_, _, failure) => panic!("{failure:?}"),
        }
    }

    fn heard(&mut self) -> Option<Acts> {
        self.store.take_report().acts
    }
}

fn asks(console: &mut Connection, question: Question) {
    let brought = console.errand(question, |commands| commands);
    assert!(matches!(brought, Ok(Brought::Done { changed: true })), "{brought:?}");
}

#[test]
fn a_pardon_reaches_a_worker_that_only_denies_and_those_that_remember() {
    with_every_server(|program| {
        let script = Script::on_its_own_clock(program, "hearsay");
        let mut console = script.server.connect();
        let [mut alone, mut busy] = [Worker::new(&script.server), Worker::new(&script.server)];
        let (of_one, of_other) =
            (certain(vec![charge(1, 1, limit("3/h"))]), certain(vec![charge(2, 1, limit("90/h"))]));
        for worker in [&mut alone, &mut busy] {
            assert_eq!(worker.admits(&of_other, 0), (true, true));
            assert_eq!(worker.heard(), Some(Acts::default()));
        }
        while alone.admits(&of_one, 1).0 {}
        assert_eq!(busy.admits(&of_one, 900), (false, true));
        let remembered = Proof { client: client(3), lasts: Duration::from_hours(1) };
        busy.store.settle(Settlement { proof: Some(remembered), ..Settlement::default() });
        assert_eq!(busy.admits(&of_other, 900), (true, true));
        assert!(matches!(busy.store.acceptance(Some(remembered), at(900)), Acceptance::Known(..)));
        asks(&mut console, Question::Pardon { client: client(1) });
        asks(&mut console, Question::Pardon { client: client(3) });
        // What it knows it believes for a second.
        assert_eq!(alone.admits(&of_one, 1_000), (false, false));
        assert_eq!(alone.admits(&of_one, 1_001), (true, true));
        assert_eq!(alone.heard(), Some(Acts { number: 2, blocked: vec![] }));
        // The other one has just asked about that client; but it hears of the pardon along with another's request.
        assert_eq!(busy.admits(&of_one, 1_002), (false, false));
        assert_eq!(busy.admits(&of_other, 1_002), (true, true));
        assert_eq!(busy.heard(), Some(Acts { number: 2, blocked: vec![] }));
        assert_eq!(busy.admits(&of_one, 1_003), (true, true));
        assert_eq!(busy.store.acceptance(Some(remembered), at(1_003)), Acceptance::Unknown(remembered));
    });
}

#[test]
fn blocks_are_heard_of_by_every_worker() {
    with_every_server(|program| {
        let script = Script::on_its_own_clock(program, "heard");
        let mut console = script.server.connect();
        let mut workers = [Worker::new(&script.server), Worker::new(&script.server)];
        let plan = certain(vec![charge(2, 1, limit("90/h"))]);
        asks(&mut console, Question::Block { client: client(1), lasts: Duration::from_mins(5) });
        for (place, worker) in workers.iter_mut().enumerate() {
            worker.admits(&plan, 10 * place as u64);
            let Some(Acts { number: 1, blocked }) = worker.heard() else { panic!("it hears") };
            let [(blocked, left)] = blocked[..] else { panic!("{blocked:?}") };
            assert!(blocked == client(1) && left <= Duration::from_mins(5) && left > Duration::from_mins(4));
        }
        asks(&mut console, Question::Unblock { client: client(1) });
        for worker in &mut workers {
            worker.admits(&plan, 900);
            assert_eq!(worker.heard(), None, "not yet");
            worker.admits(&plan, 1_010);
            assert_eq!(worker.heard(), Some(Acts { number: 2, blocked: vec![] }));
        }
    });
}

#[test]
fn a_worker_without_the_right_charges_all_the_same() {
    with_every_server(|program| {
        let script = Script::on_its_own_clock(program, "without");
        let mut console = script.server.connect();
        let rights =
            "ACL SETUSER default reset on nopass ~* +evalsha +script|load +get +set +del +time +info";
        console.command(&rights.split(' ').map(str::as_bytes).collect::<Vec<_>>());
        let mut worker = Worker::new(&script.server);
        let plan = certain(vec![charge(2, 1, limit("3/h"))]);
        let admitted: Vec<bool> = (0..5).map(|turn| worker.admits(&plan, 1_000 * turn).0).collect();
        assert_eq!(admitted, [true, true, true, false, false]);
        let report = worker.store.take_report();
        let told: Vec<_> = report.refusals.iter().map(|refusal| refusal.failure).collect();
        assert_eq!((told, report.acts, report.gave_up), (vec![Failure::Auth], None, None));
        assert!(report.refusals[0].text.contains("zrange"));
    });
}
