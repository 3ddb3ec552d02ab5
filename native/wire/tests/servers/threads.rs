//! The thread itself.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::channel;
use std::time::Duration;

use tollgate_wire::Thread;

use super::line::{thread, until};

#[test]
fn there_is_one_and_it_outlives_what_panics_on_it() {
    assert!(std::ptr::eq(thread(), Thread::of_process().expect("the same")));
    let (said, heard) = channel();
    let name = move || std::thread::current().name().map(ToOwned::to_owned);
    for panics in [false, true, false] {
        let said = said.clone();
        thread().spawn(async move {
            said.send((std::thread::current().id(), name())).expect("somebody waits");
            assert!(!panics, "as it shall");
        });
    }
    let all: Vec<_> = heard.iter().take(3).collect();
    assert!(all.iter().all(|one| *one == all[0]), "{all:?}");
    assert_eq!(all[0].1.as_deref(), Some("tollgate"));
    assert_ne!(all[0].0, std::thread::current().id());
}

#[test]
fn what_is_called_again_and_again_ends_with_its_handle() {
    let count = Arc::new(AtomicU32::new(0));
    let counted = count.clone();
    let timer = thread().every(Duration::ZERO, move || {
        let before = counted.fetch_add(1, Ordering::Relaxed);
        assert_ne!(before, 1, "as it shall, once");
    });
    until("it is called", || (count.load(Ordering::Relaxed) > 5).then_some(()));
    drop(timer);
    until("what was called is dropped", || (Arc::strong_count(&count) == 1).then_some(()));
    let calls = count.load(Ordering::Relaxed);
    assert_eq!(count.load(Ordering::Relaxed), calls);
}
