//! What stands behind the border: a plugin, its requests, and what they answer.

use tollgate::config::Failure;

use super::Scheduler;
use super::meter::Meter;
use super::stream::{Reply, Stream};

/// One configuration of the filter. Its requests come from all workers at once.
pub trait Plugin: Send + Sync + Sized + 'static {
    /// What it keeps of one request.
    type Request: Request<Plugin = Self>;

    /// Takes a configuration into use. On Envoy's main thread.
    ///
    /// # Errors
    /// If it is refused; the text says why, and comes into Envoy's log. At start Envoy exits, later it keeps what it has.
    fn open(at: &mut Opening<'_>) -> Result<Self, String>;

    /// A request comes. Nothing is known of it yet.
    fn request(&self) -> Self::Request;

    /// A [`Scheduler`] of this configuration was used. On Envoy's main thread.
    fn on_scheduled(&self, _event: u64) {}

    /// What becomes of a request if the module itself fails.
    fn failure(&self) -> Failure;

    /// The name of the counter of such failures.
    fn panics(name: &[u8]) -> String;
}

/// A configuration that is being opened.
pub struct Opening<'a> {
    pub(super) meter: &'a Meter,
    pub(super) name: &'a [u8],
    pub(super) document: &'a [u8],
    pub(super) scheduler: &'a mut Option<Scheduler>,
}

impl<'a> Opening<'a> {
    /// Where metrics are defined: now, and not later.
    #[must_use]
    pub const fn meter(&self) -> &'a Meter {
        self.meter
    }

    /// The filter's name in Envoy's configuration (`filter_name`).
    #[must_use]
    pub const fn name(&self) -> &'a [u8] {
        self.name
    }

    /// The filter's configuration (`filter_config`): if it is a `StringValue`, its text.
    #[must_use]
    pub const fn document(&self) -> &'a [u8] {
        self.document
    }

    /// By which any thread can have [`Plugin::on_scheduled`] called.
    #[must_use]
    pub fn scheduler(&mut self) -> Scheduler {
        let meter = self.meter;
        self.scheduler.get_or_insert_with(|| Scheduler::of_config(meter.new_scheduler())).clone()
    }
}

/// One request and its response. Its hooks are called one after another, on the thread of its worker.
pub trait Request: Sized + 'static {
    /// What it is a request of.
    type Plugin: Plugin<Request = Self>;

    /// The request's headers have come. `end`: nothing follows.
    fn on_request_headers(&mut self, plugin: &Self::Plugin, at: &mut Stream<'_>, end: bool) -> Next;

    /// A part of its body has come, of a request that [`Next::Collect`] was said of. `end`: nothing follows.
    fn on_request_body(&mut self, _plugin: &Self::Plugin, _at: &mut Stream<'_>, _end: bool) -> Next {
        Next::Continue
    }

    /// The request's trailers have come, of a request that [`Next::Collect`] was said of: its body is complete.
    fn on_request_trailers(&mut self, _plugin: &Self::Plugin, _at: &mut Stream<'_>) -> Next {
        Next::Continue
    }

    /// The response's headers have come: the application's, Envoy's own, or a [`Reply`] of ours. `end`: nothing follows.
    fn on_response_headers(&mut self, _plugin: &Self::Plugin, _at: &mut Stream<'_>, _end: bool) {}

    /// The response's trailers have come.
    fn on_response_trailers(&mut self, _plugin: &Self::Plugin, _at: &mut Stream<'_>) {}

    /// A [`Scheduler`] of this stream was used.
    fn on_scheduled(&mut self, _plugin: &Self::Plugin, _at: &mut Stream<'_>, _event: u64) -> Then {
        Then::Nothing
    }

    /// The stream has ended, well or not; the access log is not written yet.
    fn on_complete(&mut self, _plugin: &Self::Plugin, _at: &mut Stream<'_>) {}
}

/// What happens to a request now.
#[derive(Debug, PartialEq, Eq)]
pub enum Next {
    /// It goes on.
    Continue,
    /// All of it is held up, until [`Then`] says otherwise.
    Wait,
    /// Its headers are held up; its body is kept, and the hooks for it are called.
    Collect,
    /// It is answered.
    Reply(Reply),
}

/// What happens to a request that waits.
#[derive(Debug, PartialEq, Eq)]
pub enum Then {
    /// It still waits.
    Nothing,
    /// It goes on.
    Continue,
    /// It is answered.
    Reply(Reply),
}
