//! The runtime of a thread that uses the database.

use std::cell::OnceCell;
use std::future::Future;
use std::io;
use std::sync::Arc;

use diesel_async::async_connection_wrapper::BlockOn;
use tokio::runtime::{Builder, Runtime};

thread_local! {
    static RUNTIME: OnceCell<ThreadRuntime> = const { OnceCell::new() };
}

/// The one runtime of the thread that made it. The connections of the thread share it, and their
/// drivers run only while one of them waits.
#[derive(Clone)]
pub struct ThreadRuntime(Arc<Shared>);

struct Shared(Option<Runtime>);

impl ThreadRuntime {
    pub fn of_this_thread() -> io::Result<Self> {
        RUNTIME.with(|known| {
            if let Some(runtime) = known.get() {
                return Ok(runtime.clone());
            }
            let runtime = Builder::new_current_thread().enable_io().enable_time().build()?;
            Ok(known.get_or_init(|| Self(Arc::new(Shared(Some(runtime))))).clone())
        })
    }

    fn runtime(&self) -> &Runtime {
        self.0.0.as_ref().unwrap_or_else(|| unreachable!("only dropping takes the runtime"))
    }

    pub fn spawn(
        &self,
        task: impl Future<Output = ()> + Send + 'static,
    ) -> tokio::task::JoinHandle<()> {
        self.runtime().spawn(task)
    }
}

impl BlockOn for ThreadRuntime {
    fn block_on<F: Future>(&self, future: F) -> F::Output {
        self.runtime().block_on(future)
    }

    fn get_runtime() -> Self {
        Self::of_this_thread()
            .unwrap_or_else(|error| unreachable!("opening a connection made it: {error}"))
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        // A name resolution that hangs is not waited for.
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}
