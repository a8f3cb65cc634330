//! Reading of whole files with a limit and a deadline: a name may lead to a FIFO without a writer,
//! a device without an end, or a network mount that does not respond.

use std::collections::BTreeSet;
use std::io;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

/// A file that takes longer than this to read is an error.
pub const READ_TIMEOUT: Duration = Duration::from_secs(10);

/// Memory of a read in pieces, in bytes.
const PIECE_BYTES: usize = 64 * 1024;

/// Most threads that wait for a file. A thread cannot be stopped before its file responds.
const MAX_THREADS: usize = 64;

/// Time between two tries to start a thread while there are [`MAX_THREADS`].
const RETRY: Duration = Duration::from_millis(10);

static THREADS: AtomicUsize = AtomicUsize::new(0);

/// Files of which a read was given up and has not ended: they are not read again meanwhile, so a
/// file that hangs keeps few threads. Bound: [`MAX_THREADS`].
static HUNG: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());

fn hung() -> MutexGuard<'static, BTreeSet<PathBuf>> {
    HUNG.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The bytes of the file, at most `limit`. Blocks this thread, at most for [`READ_TIMEOUT`].
pub fn read(path: &Path, limit: usize) -> io::Result<Vec<u8>> {
    read_within(path, limit, READ_TIMEOUT)
}

/// The text of the file in UTF-8, as [`read`].
pub fn read_text(path: &Path, limit: usize) -> io::Result<String> {
    let bytes = read(path, limit)?;
    String::from_utf8(bytes).map_err(|error| io::Error::new(ErrorKind::InvalidData, error))
}

/// Adds the bytes of the file to `sum` piece by piece, as [`read`] but without memory for all of
/// them.
pub fn fold<S: Send + 'static>(
    path: &Path,
    limit: usize,
    mut sum: S,
    add: impl Fn(&mut S, &[u8]) + Send + 'static,
) -> io::Result<S> {
    let path = path.to_owned();
    within(READ_TIMEOUT, move || {
        let mut file = std::fs::File::open(path)?;
        let mut piece = vec![0; PIECE_BYTES];
        let mut left = limit;
        loop {
            let length = match file.read(&mut piece) {
                Ok(0) => return Ok(sum),
                Ok(length) => length,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            left = left.checked_sub(length).ok_or_else(|| too_large(limit))?;
            add(&mut sum, &piece[..length]);
        }
    })?
}

/// As [`read`], without blocking this thread. Waits for a free thread.
pub async fn read_async(path: PathBuf, limit: usize) -> io::Result<Vec<u8>> {
    let began = Instant::now();
    if hung().contains(&path) {
        return Err(io::Error::new(ErrorKind::TimedOut, "an earlier read of it has not ended"));
    }
    while THREADS.load(Ordering::SeqCst) >= MAX_THREADS && began.elapsed() < READ_TIMEOUT {
        tokio::time::sleep(RETRY).await;
    }
    let is_over = Arc::new(AtomicBool::new(false));
    let ended = (path.clone(), Arc::clone(&is_over));
    let read = detached(move || {
        let (path, is_over) = ended;
        let read = read_to_end(&path, limit);
        let mut hung = hung();
        is_over.store(true, Ordering::SeqCst);
        hung.remove(&path);
        read
    })?;
    let _pending = Pending { path, is_over };
    match tokio::time::timeout(READ_TIMEOUT, read).await {
        Ok(Ok(read)) => read,
        Ok(Err(_)) => Err(io::Error::other("the thread that read the file has died")),
        Err(_) => Err(timed_out(READ_TIMEOUT)),
    }
}

/// Runs `work` on a thread of its own, which neither a runtime nor the end of the process waits
/// for. An error when [`MAX_THREADS`] such threads are waiting.
pub fn detached<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> io::Result<oneshot::Receiver<T>> {
    let (sender, receiver) = oneshot::channel();
    start(move || {
        // The receiver may have given up.
        let _ = sender.send(work());
    })?;
    Ok(receiver)
}

/// A read under way: a file that is given up hangs until its read ends.
struct Pending {
    path: PathBuf,
    is_over: Arc<AtomicBool>,
}

impl Drop for Pending {
    fn drop(&mut self) {
        let mut hung = hung();
        if !self.is_over.load(Ordering::SeqCst) {
            hung.insert(std::mem::take(&mut self.path));
        }
    }
}

fn read_within(path: &Path, limit: usize, timeout: Duration) -> io::Result<Vec<u8>> {
    let path = path.to_owned();
    within(timeout, move || read_to_end(&path, limit))?
}

/// Runs `work` on a thread of its own and waits for it at most for `timeout`.
pub fn within<T: Send + 'static>(
    timeout: Duration,
    work: impl FnOnce() -> T + Send + 'static,
) -> io::Result<T> {
    let (sender, receiver) = mpsc::channel();
    start(move || {
        let _ = sender.send(work());
    })?;
    receiver.recv_timeout(timeout).map_err(|_| timed_out(timeout))
}

fn start(work: impl FnOnce() + Send + 'static) -> io::Result<()> {
    let running = Running::new()?;
    let thread = std::thread::Builder::new().name("file".to_owned());
    thread.spawn(move || {
        let _running = running;
        work();
    })?;
    Ok(())
}

fn read_to_end(path: &Path, limit: usize) -> io::Result<Vec<u8>> {
    let file = std::fs::File::open(path)?;
    // A text that grows takes twice its length.
    let length = file.metadata().map_or(0, |metadata| metadata.len());
    let mut bytes = Vec::with_capacity(usize::try_from(length).map_or(0, |it| it.min(limit) + 1));
    file.take(limit as u64 + 1).read_to_end(&mut bytes)?;
    if bytes.len() > limit {
        return Err(too_large(limit));
    }
    Ok(bytes)
}

fn too_large(limit: usize) -> io::Error {
    io::Error::new(ErrorKind::FileTooLarge, format!("larger than {limit} bytes"))
}

fn timed_out(timeout: Duration) -> io::Error {
    io::Error::new(ErrorKind::TimedOut, format!("not read within {timeout:?}"))
}

/// Counts a thread while it runs.
struct Running;

impl Running {
    fn new() -> io::Result<Self> {
        if THREADS.fetch_add(1, Ordering::SeqCst) >= MAX_THREADS {
            drop(Self);
            return Err(io::Error::other("too many earlier files have not been read yet"));
        }
        Ok(Self)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        THREADS.fetch_sub(1, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read_up_to_the_limit() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a");
        std::fs::write(&file, "12345").unwrap();
        assert_eq!(read(&file, 5).unwrap(), b"12345");
        assert_eq!(read(&file, 4).unwrap_err().to_string(), "larger than 4 bytes");
        let endless = read(Path::new("/dev/zero"), 1_000_000).unwrap_err();
        assert_eq!(endless.kind(), ErrorKind::FileTooLarge);
        assert_eq!(read(folder.path(), 5).unwrap_err().kind(), ErrorKind::IsADirectory);
        assert_eq!(read(&folder.path().join("b"), 5).unwrap_err().kind(), ErrorKind::NotFound);
    }

    #[test]
    fn a_file_is_read_in_pieces_up_to_the_limit() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a");
        let text: Vec<u8> = (0..PIECE_BYTES * 2 + 7).map(|nth| nth as u8).collect();
        std::fs::write(&file, &text).unwrap();
        let pieces = |path: &Path, limit| {
            fold(path, limit, Vec::new(), |sum: &mut Vec<u8>, piece| sum.extend_from_slice(piece))
        };
        assert_eq!(pieces(&file, text.len()).unwrap(), text);
        let message = format!("larger than {} bytes", text.len() - 1);
        assert_eq!(pieces(&file, text.len() - 1).unwrap_err().to_string(), message);
        let endless = pieces(Path::new("/dev/zero"), 1_000_000).unwrap_err();
        assert_eq!(endless.kind(), ErrorKind::FileTooLarge);
        assert_eq!(pieces(folder.path(), 5).unwrap_err().kind(), ErrorKind::IsADirectory);
    }

    #[tokio::test]
    async fn a_file_that_hangs_is_not_read_again_until_its_read_ends() {
        let folder = tempfile::tempdir().unwrap();
        let fifo = folder.path().join("fifo");
        rustix::fs::mkfifoat(rustix::fs::CWD, &fifo, 0o600.into()).unwrap();
        let given_up =
            tokio::time::timeout(Duration::from_millis(50), read_async(fifo.clone(), 5)).await;
        assert!(given_up.is_err());
        let again = read_async(fifo.clone(), 5).await.unwrap_err();
        assert_eq!(again.to_string(), "an earlier read of it has not ended");
        std::fs::write(&fifo, "12345").unwrap();
        while hung().contains(&fifo) {
            tokio::time::sleep(RETRY).await;
        }
    }

    #[test]
    fn a_fifo_without_a_writer_is_an_error_after_the_timeout() {
        let folder = tempfile::tempdir().unwrap();
        let fifo = folder.path().join("fifo");
        rustix::fs::mkfifoat(rustix::fs::CWD, &fifo, 0o600.into()).unwrap();
        let hung = read_within(&fifo, 5, Duration::from_millis(50)).unwrap_err();
        assert_eq!(
            (hung.kind(), hung.to_string().as_str()),
            (ErrorKind::TimedOut, "not read within 50ms")
        );
        // Ends the thread, which is the reader of the other side.
        std::fs::write(&fifo, "12345").unwrap();
    }
}
