//! Debian's Prometheus over given samples.

use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use crate::program;

/// Killed on drop.
pub struct Prometheus {
    child: Child,
    pub address: String,
    pub samples: u64,
    _folder: TempDir,
}

impl Prometheus {
    /// Makes blocks of what `write` writes in the text format of OpenMetrics, and starts a
    /// Prometheus over them. `write` returns the number of samples.
    pub fn over(write: impl FnOnce(&mut dyn Write) -> u64) -> Self {
        let folder = program::folder();
        let file = folder.path().join("samples.txt");
        let mut writer = BufWriter::new(File::create(&file).expect("a file"));
        let samples = write(&mut writer);
        writer.write_all(b"# EOF\n").and_then(|()| writer.flush()).expect("the samples");
        // Long blocks: the file is read once for each.
        let made = Command::new("/usr/bin/promtool")
            .args(["tsdb", "create-blocks-from", "openmetrics", "--max-block-duration=720h"])
            .args(["--quiet", "samples.txt", "data"])
            .current_dir(folder.path())
            .status()
            .expect("promtool; `apt install prometheus`");
        assert!(made.success(), "promtool: {made}");
        std::fs::remove_file(file).expect("the file of the samples");
        std::fs::write(folder.path().join("prometheus.yml"), "{}").expect("a file");
        let free = TcpListener::bind("127.0.0.1:0").and_then(|it| it.local_addr());
        let address = free.expect("a free port").to_string();
        let mut child = Command::new("/usr/bin/prometheus")
            .arg(format!("--web.listen-address={address}"))
            .args(["--config.file=prometheus.yml", "--storage.tsdb.path=data"])
            .args(["--storage.tsdb.retention.time=100y", "--query.max-samples=100000000"])
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("prometheus");
        let log = child.stderr.take().expect("its log");
        let mut lines = BufReader::new(log).lines().map_while(Result::ok);
        let is_ready = lines.by_ref().any(|line| line.contains("Server is ready to receive"));
        assert!(is_ready, "Prometheus ended");
        // Drains the pipe, which would block Prometheus when full.
        std::thread::spawn(move || lines.for_each(drop));
        Self { child, address, samples, _folder: folder }
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
