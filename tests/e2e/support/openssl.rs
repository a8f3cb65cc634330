//! Certificates and servers of openssl(1), for what rcgen and rustls do not make.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

/// A certificate for localhost and 127.0.0.1, and its key.
pub struct OpensslIdentity {
    folder: TempDir,
}

impl OpensslIdentity {
    /// A self-signed certificate by `openssl req -x509` with these arguments.
    pub fn self_signed(arguments: &str) -> Self {
        let identity = Self::new();
        identity.openssl(&format!(
            "req -x509 -nodes -days 300 -subj /CN=localhost -keyout key.pem -out cert.pem \
             -addext subjectAltName=DNS:localhost,IP:127.0.0.1 {arguments}"
        ));
        identity
    }

    /// A self-signed certificate of X.509 v1.
    pub fn version_1() -> Self {
        let identity = Self::new();
        identity.openssl(
            "req -newkey rsa:2048 -nodes -subj /CN=localhost -keyout key.pem -out request.pem",
        );
        identity.openssl("x509 -req -in request.pem -signkey key.pem -days 300 -out cert.pem");
        identity
    }

    /// A certificate for `key`, signed by this one's.
    pub fn issue(&self, key: &str) -> Self {
        let issued = Self::new();
        let issuer = self.folder.path().display();
        issued.openssl(&format!(
            "req -x509 -nodes -days 200 -subj /CN=issued -CA {issuer}/cert.pem -CAkey \
             {issuer}/key.pem -keyout key.pem -out cert.pem -addext basicConstraints=CA:FALSE \
             -addext subjectAltName=DNS:localhost,IP:127.0.0.1 {key}"
        ));
        issued
    }

    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    fn openssl(&self, arguments: &str) {
        let output = Command::new("openssl")
            .args(arguments.split_whitespace())
            .current_dir(self.folder.path())
            .stdin(Stdio::null())
            .output()
            .unwrap_or_else(|error| panic!("openssl: {error}; install Debian's package openssl"));
        assert!(output.status.success(), "openssl {arguments}: {output:?}");
    }

    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn certificate_pem(&self) -> String {
        std::fs::read_to_string(self.file("cert.pem")).unwrap()
    }

    pub fn key_pem(&self) -> String {
        std::fs::read_to_string(self.file("key.pem")).unwrap()
    }

    /// Starts an https server with this certificate: `openssl s_server` with these arguments.
    pub fn serve(&self, arguments: &str) -> OpensslServer {
        let spawned = Command::new("openssl")
            .args("s_server -accept 127.0.0.1:0 -cert cert.pem -key key.pem -www".split(' '))
            .args(arguments.split_whitespace())
            .current_dir(self.folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn();
        let mut child = spawned.unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        let port = lines.find_map(|line| {
            line.strip_prefix("ACCEPT ")?.rsplit_once(':')?.1.trim().parse::<u16>().ok()
        });
        // Drains the pipe, which would block the server when full.
        std::thread::spawn(move || lines.for_each(drop));
        let port = port.unwrap_or_else(|| panic!("openssl s_server {arguments} ended"));
        OpensslServer { child, port }
    }
}

/// A running server, killed on drop.
pub struct OpensslServer {
    child: Child,
    port: u16,
}

impl OpensslServer {
    pub fn url(&self) -> String {
        format!("https://127.0.0.1:{}/", self.port)
    }
}

impl Drop for OpensslServer {
    fn drop(&mut self) {
        // The process may have exited already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
