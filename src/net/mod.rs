//! TOOLBOX: the network: requests over HTTP, on an event loop that has a thread of its own.
//!
//! Nothing here blocks: a request goes off with [`Net::send`], and the agent is woken when its answer lies in
//! the [`Call`]. Knows nothing of items, steps or stages.
//!
//! Pitfalls: connections belong to the loop, so one loop serves a whole run; whoever drops a [`Call`] ends it.

mod address;
mod client;
mod clients;
mod robots;
mod text;

pub use address::is_public;
pub use text::to_text;

use std::fmt;
use std::future::Future;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;
use tokio::task::AbortHandle;
use url::Url;

use crate::wait::Agent;
use address::Names;
use clients::Clients;
use robots::Robots;

/// One request.
#[derive(Clone, Debug)]
pub struct Request {
    pub method: String,
    pub url: Url,
    pub headers: Vec<(String, String)>,
    pub body: Option<Vec<u8>>,
    /// Was the host written by the author of the file? Where it was not, it may not lead to a private address.
    pub trusted: bool,
}

/// How a step asks.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Manner {
    /// How long a connection may take to be made.
    pub connect: Duration,
    /// How long everything may take, redirects and the body among it.
    pub total: Duration,
    /// Bytes of a body, unpacked.
    pub most: u64,
    /// Redirects that are followed.
    pub redirects: u32,
    pub cookies: bool,
    pub robots: bool,
    /// May every host lead to a private address?
    pub private: bool,
}

/// What came back.
#[derive(Clone, Debug)]
pub struct Answer {
    /// After redirects.
    pub url: Url,
    pub status: u16,
    /// Names in lower case, in the order of their coming; several of one name are one, with commas.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    pub took: Duration,
}

/// Why nothing came back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    pub kind: TroubleKind,
    pub message: String,
    /// Would it be the same another time?
    pub for_good: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TroubleKind {
    /// The connection, the name, the certificate; a body that is too large.
    Io,
    Timeout,
    /// robots.txt forbids it.
    Robots,
    /// The host leads to a private address.
    Private,
}

impl Trouble {
    fn new(kind: TroubleKind, message: impl Into<String>) -> Trouble {
        Trouble {
            kind,
            message: message.into(),
            for_good: matches!(kind, TroubleKind::Robots | TroubleKind::Private),
        }
    }
}

/// How the thread of the loop is started.
pub type Starter = fn(Box<dyn FnOnce() + Send>) -> std::io::Result<()>;

/// The network of one run.
pub struct Net {
    start: Starter,
    open: OnceLock<Result<Open, String>>,
}

/// The loop runs.
struct Open {
    handle: Handle,
    shared: Arc<Shared>,
    /// The loop ends when this is dropped.
    _stop: oneshot::Sender<()>,
}

/// What all requests of a run share.
struct Shared {
    clients: Clients,
    robots: Robots,
    names: Names,
}

impl fmt::Debug for Net {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Net")
    }
}

impl Net {
    /// Nothing is started before the first request.
    pub fn new(start: Starter) -> Net {
        Net {
            start,
            open: OnceLock::new(),
        }
    }

    fn open(&self) -> Result<&Open, Trouble> {
        let opened = self.open.get_or_init(|| self.begin());
        opened
            .as_ref()
            .map_err(|why| Trouble::new(TroubleKind::Io, why.clone()))
    }

    fn begin(&self) -> Result<Open, String> {
        more_files();
        let runtime = Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|e| format!("the system gives no event loop: {e}"))?;
        let handle = runtime.handle().clone();
        let (stop, stopped) = oneshot::channel::<()>();
        let run = move || {
            // An error says that the other end was dropped: that is the end.
            let _ended = runtime.block_on(stopped);
            runtime.shutdown_background();
        };
        (self.start)(Box::new(run)).map_err(|e| format!("the system gives no thread: {e}"))?;
        Ok(Open {
            handle,
            shared: Arc::new(Shared {
                clients: Clients::new(),
                robots: Robots::default(),
                names: Names::default(),
            }),
            _stop: stop,
        })
    }

    /// A request goes off; the agent is woken when the answer is there.
    ///
    /// # Errors
    /// There is no loop that could run it.
    pub fn send(
        &self,
        request: Request,
        manner: &Arc<Manner>,
        agent: &Arc<Agent>,
    ) -> Result<Call<Answer>, Trouble> {
        let open = self.open()?;
        let (shared, manner) = (open.shared.clone(), manner.clone());
        Ok(open.call(agent, async move {
            client::fetch(request, &manner, &shared).await
        }))
    }

    /// The addresses of a host that were looked up a short while ago, or that it is itself.
    pub fn known(&self, host: &str) -> Option<Vec<String>> {
        address::literal(host).or_else(|| {
            let open = self.open.get()?.as_ref().ok()?;
            open.shared.names.get(host)
        })
    }

    /// The addresses of a host, as texts; the agent is woken when they are there.
    ///
    /// # Errors
    /// There is no loop that could run it.
    pub fn resolve(&self, host: &str, agent: &Arc<Agent>) -> Result<Call<Vec<String>>, Trouble> {
        let host = host.to_owned();
        let open = self.open()?;
        let shared = open.shared.clone();
        Ok(open.call(agent, async move { shared.names.look_up(&host).await }))
    }
}

/// As many open files as the system allows: thousands of connections are more than most shells let a program
/// have at first. Where that fails, it stays as it was, and a connection too many is an error of its item.
fn more_files() {
    use nix::sys::resource::{Resource, getrlimit, setrlimit};
    if let Ok((now, most)) = getrlimit(Resource::RLIMIT_NOFILE)
        && now < most
    {
        let _as_before = setrlimit(Resource::RLIMIT_NOFILE, most, most);
    }
}

impl Open {
    fn call<T: Send + 'static>(
        &self,
        agent: &Arc<Agent>,
        work: impl Future<Output = Result<T, Trouble>> + Send + 'static,
    ) -> Call<T> {
        let slot = Arc::new(Mutex::new(None));
        let mut answer = Deliver {
            slot: slot.clone(),
            agent: agent.clone(),
            done: false,
        };
        let task = self.handle.spawn(async move {
            let result = work.await;
            answer.put(result);
        });
        Call {
            slot,
            task: task.abort_handle(),
        }
    }
}

/// Puts the answer down, and sees to it that one is there in any case.
struct Deliver<T> {
    slot: Arc<Mutex<Option<Result<T, Trouble>>>>,
    agent: Arc<Agent>,
    done: bool,
}

impl<T> Deliver<T> {
    fn put(&mut self, result: Result<T, Trouble>) {
        self.done = true;
        *self.slot.lock() = Some(result);
        self.agent.wake();
    }
}

impl<T> Drop for Deliver<T> {
    fn drop(&mut self) {
        if !self.done {
            let message = "the request was given up";
            self.put(Err(Trouble::new(TroubleKind::Io, message)));
        }
    }
}

/// A request on its way; dropped, it is given up.
#[derive(Debug)]
pub struct Call<T> {
    slot: Arc<Mutex<Option<Result<T, Trouble>>>>,
    task: AbortHandle,
}

impl<T> Call<T> {
    /// What came of it, once.
    pub fn take(&self) -> Option<Result<T, Trouble>> {
        self.slot.lock().take()
    }
}

impl<T> Drop for Call<T> {
    fn drop(&mut self) {
        self.task.abort();
    }
}
