//! One chromedriver for all tests of the binary; `tests/chromedriver.sh` runs it.

use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Condvar, Mutex, OnceLock};

const SCRIPT: &str = include_str!("../../../chromedriver.sh");

/// Browsers that run at once; further tests wait.
const MAX_BROWSERS: usize = 2;

/// A running chromedriver. It ends with this process, however that ends: the script waits for the
/// end of its standard input.
pub struct Driver {
    /// `http://` and the address.
    pub url: String,
    /// Removed with everything in it when the driver ends.
    pub folder: PathBuf,
    _input: ChildStdin,
    _script: Child,
    free: Mutex<usize>,
    freed: Condvar,
}

/// The right to run a browser, returned on drop.
pub struct Permit(&'static Driver);

impl Driver {
    /// The driver of this process, started at first use.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Driver> = OnceLock::new();
        SHARED.get_or_init(Self::start)
    }

    fn start() -> Self {
        let mut child = Command::new("bash")
            .args(["-c", SCRIPT, "chromedriver.sh"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // A signal to the group of the tests must not end the script before it has cleaned up.
            .process_group(0)
            .spawn()
            .unwrap();
        let input = child.stdin.take().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        let folder = lines.next().unwrap();
        let mut printed = String::new();
        let port = lines.by_ref().find_map(|line| {
            printed.push_str(&line);
            let (_, port) = line.split_once("started successfully on port ")?;
            Some(port.trim_end_matches('.').to_owned())
        });
        let Some(port) = port else {
            panic!("no chromedriver: {printed}; `tests/needs.sh browser` installs it");
        };
        std::thread::spawn(move || lines.for_each(drop));
        Self {
            url: format!("http://127.0.0.1:{port}"),
            folder: folder.into(),
            _input: input,
            _script: child,
            free: Mutex::new(MAX_BROWSERS),
            freed: Condvar::new(),
        }
    }

    /// Waits until fewer than [`MAX_BROWSERS`] run.
    pub fn permit(&'static self) -> Permit {
        let mut free = self.free.lock().unwrap();
        while *free == 0 {
            free = self.freed.wait(free).unwrap();
        }
        *free -= 1;
        Permit(self)
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        // A panic elsewhere must not take the permit with it.
        let mut free = self.0.free.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        *free += 1;
        self.0.freed.notify_one();
    }
}
