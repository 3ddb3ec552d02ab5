//! What an adapter has to bring for Redis: a connection, and where requests wait for what comes from it.

use super::passed::Passed;
use crate::gate::Pending;
use crate::redis::{Decided, Failure, Store};
use crate::store::Fingerprint;

/// A proxy's connection to Redis: carries bytes. What is said, and what follows from it, is the [`Store`]'s business.
///
/// `here` is the stream that is being served, or what stands for the worker itself.
pub trait Wire {
    /// Where a request finds what has become of it.
    type Seat: Seat;

    /// Opens the connection. False if that cannot be done here: it is done soon, in another call.
    ///
    /// # Errors
    /// If it cannot be opened.
    fn open(&self, here: u32) -> Result<bool, Failure>;

    /// Sends this.
    ///
    /// # Errors
    /// If it cannot be sent; the connection is of no use then.
    fn send(&self, here: u32, commands: Vec<u8>) -> Result<(), Failure>;

    /// Closes the connection, if there is one. Nothing that still comes from it matters.
    fn close(&self, here: u32);

    /// Something was done with the store: sees to it that those go on who can, and that time is watched as long as anybody waits.
    fn after(&self, here: u32, store: &mut Store<Waiter<Self::Seat>>);
}

/// Where a request that waits finds what has become of it: nobody else can reach into its stream.
pub trait Seat: Clone + Default {
    /// Nobody waits there any more. What had become of the request by then.
    fn leave(&self) -> Left<Self>;
}

/// What had become of a request whose stream waits no more.
pub enum Left<S> {
    /// Nothing: it is still to be decided.
    Waiting,
    /// It was decided, and nothing has followed from it yet.
    Decided(Box<Decided<Waiter<S>>>),
    /// It was let through.
    Passed(Passed),
    /// It was denied.
    Over,
}

/// A request that waits.
pub struct Waiter<S> {
    /// Whether it is a gRPC call.
    pub is_grpc: bool,
    /// Where its stream finds what has become of it.
    pub seat: S,
    /// What it was charged already, before the proxy redirected it.
    pub(super) before: Pending,
    /// As whom it can be blocked.
    pub(super) identities: Vec<Fingerprint>,
}
