//! What a root context does for the requests of its worker that wait for Redis: it alone can open connections, and is told what comes by
//! them; and it lets requests go on.

use super::host;
use super::proxy::{AtWork, Proxy};
use super::wire::{GrpcWire, State, enter, received};
use crate::adapter::{Fate, Link, Plugin, Stream as _};
use crate::redis::{AT_ONCE, Failure, Store};

/// It was woken: there are requests that can go on, or a connection is to be opened.
pub(super) fn on_wake(plugin: &Plugin<Proxy>, queue: u32) {
    let Some(link) = plugin.link() else { return };
    link.wire().is_awake(queue);
    go_on(plugin, link);
}

/// Time has passed. Returns whether it has to be called again as soon.
pub(super) fn on_tick(plugin: &Plugin<Proxy>) -> bool {
    let Some(link) = plugin.link() else { return false };
    go_on(plugin, link);
    link.wire().ticked()
}

/// So many bytes have come from Redis.
pub(super) fn on_received(plugin: &Plugin<Proxy>, connection: u32, size: usize) {
    let Some(link) = plugin.link().filter(|link| link.wire().is_open(connection)) else { return };
    // First the next batch: Redis can think about it while this worker goes on with those of the last.
    plugin.with_store(plugin.host().root, |store, now| store.received(&received(size), now));
    release(plugin, link);
}

/// The connection to Redis is no more.
pub(super) fn on_closed(plugin: &Plugin<Proxy>, connection: u32) {
    let Some(link) = plugin.link().filter(|link| link.wire().is_open(connection)) else { return };
    link.wire().is_closed();
    plugin.with_store(plugin.host().root, |store, now| store.closed(Failure::Connection, now));
    release(plugin, link);
}

fn go_on(plugin: &Plugin<Proxy>, link: &Link<GrpcWire>) {
    plugin.with_store(plugin.host().root, Store::tick);
    release(plugin, link);
}

/// Goes on with requests that are decided. Only the root context can do this, and each of its calls ends with it.
fn release(plugin: &Plugin<Proxy>, link: &Link<GrpcWire>) {
    for _ in 0..AT_ONCE {
        let Some(decided) = link.next_decided() else { return };
        let mut at = AtWork(decided.ticket);
        let slot = decided.waiter.seat.clone();
        // In its name the log is told, and it goes on or is answered.
        enter(at.id());
        match plugin.go_on(&at, decided).told(&mut at) {
            Fate::Allow(passed) => {
                slot.put(State::Passed(passed));
                host::resume();
            }
            Fate::Deny { reply, is_grpc } => {
                slot.put(State::Over);
                host::reply(&reply, is_grpc);
            }
            Fate::Wait(_) => {}
        }
        enter(plugin.host().root);
    }
    if link.has_decided() {
        link.wire().wake();
    }
}
