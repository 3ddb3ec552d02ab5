//! The thread on which all connections live.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

use tokio::runtime::{Builder, Handle};
use tokio::task::AbortHandle;
use tokio::time::{Instant, MissedTickBehavior, interval_at};

/// The one thread in the background. It is started when it is first asked for, and lives as long as the process.
#[derive(Debug)]
pub struct Thread {
    handle: Handle,
}

static THREAD: OnceLock<Thread> = OnceLock::new();

/// Names are looked up by threads of their own, which end when there is nothing to look up. So many at once.
const LOOK_UPS: usize = 4;

impl Thread {
    /// The thread of this process. It is not to be asked for before a configuration is taken into use: whoever only checks one starts
    /// no threads.
    ///
    /// # Errors
    /// If it does not run yet, and the system does not give a thread. The next call tries again.
    pub fn of_process() -> io::Result<&'static Self> {
        static STARTING: Mutex<()> = Mutex::new(());
        if let Some(thread) = THREAD.get() {
            return Ok(thread);
        }
        let _alone = STARTING.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(thread) = THREAD.get() {
            return Ok(thread);
        }
        let thread = Self::start()?;
        Ok(THREAD.get_or_init(|| thread))
    }

    fn start() -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().max_blocking_threads(LOOK_UPS).build()?;
        let handle = runtime.handle().clone();
        // The runtime itself sees to it that a task's panic ends nothing but the task.
        let run = move || runtime.block_on(std::future::pending::<()>());
        std::thread::Builder::new().name("tollgate".to_owned()).spawn(run)?;
        Ok(Self { handle })
    }

    /// Has this done on the thread, without waiting for it. If it panics, it ends, and nothing else.
    pub fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.handle.spawn(task);
    }

    /// Calls this on the thread, again and again, first when a period (1 ms at least) is over, until the handle is dropped. A call that
    /// runs at that moment is not cut short. After a call that panics the next one comes all the same.
    #[must_use = "it ends when this is dropped"]
    pub fn every(&self, period: Duration, mut call: impl FnMut() + Send + 'static) -> Timer {
        let period = period.max(Duration::from_millis(1));
        let ticking = async move {
            let mut ticks = interval_at(Instant::now() + period, period);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                ticks.tick().await;
                // It is the caller's to be whole after that; the panic has been told on standard error.
                let _ = catch_unwind(AssertUnwindSafe(&mut call));
            }
        };
        Timer(self.abortable(ticking))
    }

    /// As [`Self::spawn`], and can be ended.
    pub(crate) fn abortable(&self, task: impl Future<Output = ()> + Send + 'static) -> AbortHandle {
        self.handle.spawn(task).abort_handle()
    }
}

/// What is called again and again, until this is dropped.
#[derive(Debug)]
pub struct Timer(AbortHandle);

impl Drop for Timer {
    fn drop(&mut self) {
        self.0.abort();
    }
}
