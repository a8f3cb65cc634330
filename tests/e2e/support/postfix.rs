//! Debian's postfix as a mail server, with users of its own; it runs as root.

use std::fs;
use std::net::TcpStream;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use rcgen::{CertificateParams, KeyPair};
use tempfile::TempDir;

use super::{loopback_address, wait_for, wait_until};

/// A running server, ended on drop. It delivers mail for `ops` and `night` at example.org.
///
/// | port | |
/// |---|---|
/// | 25 | without TLS and login |
/// | 587 | a login after STARTTLS |
/// | 465 | a login over TLS |
pub struct Postfix {
    folder: TempDir,
    /// An address of the loopback network that no other server of the tests has.
    pub host: String,
    master: Option<Child>,
}

/// The user that may send mail, and its password.
pub const LOGIN: (&str, &str) = ("monitor", "p4ss word");

impl Postfix {
    pub fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        // Daemons of postfix are users of their own.
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let mut server = Self { folder, host: loopback_address(), master: None };
        server.configure();
        server.run();
        server
    }

    fn configure(&self) {
        let folder = self.folder.path();
        for name in ["etc", "etc/sasl", "spool", "data", "mail"] {
            fs::create_dir(folder.join(name)).unwrap();
        }
        chown(folder.join("data"), Some(id("postfix", "-u")), None).unwrap();
        chown(folder.join("mail"), Some(id("nobody", "-u")), None).unwrap();
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new([self.host.clone()]).unwrap().self_signed(&key);
        fs::write(folder.join("cert.pem"), certificate.unwrap().pem()).unwrap();
        fs::write(folder.join("key.pem"), key.serialize_pem()).unwrap();
        let fill = |text: &str| {
            text.replace("FOLDER", folder.to_str().unwrap()).replace("HOST", &self.host)
        };
        fs::write(folder.join("etc/main.cf"), fill(MAIN)).unwrap();
        fs::write(folder.join("etc/master.cf"), fill(MASTER)).unwrap();
        fs::write(folder.join("etc/sasl/smtpd.conf"), fill(SASL)).unwrap();
        let users = folder.join("sasldb2");
        let (user, password) = LOGIN;
        let mut child = Command::new("/usr/sbin/saslpasswd2")
            .args(["-p", "-c", "-u", "localhost", "-f"])
            .arg(&users)
            .arg(user)
            .stdin(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{error}; install Debian's package sasl2-bin"));
        std::io::Write::write_all(&mut child.stdin.take().unwrap(), password.as_bytes()).unwrap();
        assert!(child.wait().unwrap().success());
        chown(users, Some(id("postfix", "-u")), None).unwrap();
        // Makes the folders of the queue.
        let checked = Command::new("/usr/sbin/postfix")
            .arg("-c")
            .arg(folder.join("etc"))
            .arg("check")
            .output()
            .unwrap_or_else(|error| panic!("{error}; install Debian's package postfix"));
        assert!(checked.status.success(), "{checked:?}");
    }

    /// Starts the server again after [`stop`](Self::stop).
    pub fn run(&mut self) {
        let spawned = Command::new("/bin/sh")
            .args(["-c", RUN])
            .arg(self.folder.path().join("etc"))
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        self.master = Some(spawned.unwrap());
        wait_until("postfix to listen", || TcpStream::connect((self.host.as_str(), 25)).is_ok());
    }

    /// Ends the server; its queue stays.
    pub fn stop(&mut self) {
        if let Some(mut master) = self.master.take() {
            drop(master.stdin.take());
            master.wait().unwrap();
            // Its daemons end a little later.
            let is_free = || TcpStream::connect((self.host.as_str(), 25)).is_err();
            wait_until("postfix to end", is_free);
        }
    }

    /// The certificate of the server, self-signed.
    pub fn certificate(&self) -> PathBuf {
        self.folder.path().join("cert.pem")
    }

    /// The mails of `user`, oldest first, once there are `count`.
    #[track_caller]
    pub fn mails(&self, user: &str, count: usize) -> Vec<String> {
        let inbox = self.folder.path().join("mail").join(user).join("new");
        wait_for(&format!("{count} mails of {user}"), || {
            let mails = read_all(&inbox);
            (mails.len() >= count).then_some(mails)
        })
    }
}

impl Drop for Postfix {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Mails in the order of their arrival, with unfolded headers.
fn read_all(inbox: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(inbox) else { return Vec::new() };
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort_by_key(|file| fs::metadata(file).and_then(|of| of.modified()).ok());
    let unfolded = |text: String| text.replace("\n\t", " ").replace("\n ", " ");
    files.iter().filter_map(|file| fs::read_to_string(file).ok()).map(unfolded).collect()
}

fn id(user: &str, option: &str) -> u32 {
    let output = Command::new("/usr/bin/id").args([option, user]).output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().parse().unwrap()
}

/// Runs the server until the end of the input, so that it ends however the tests end.
const RUN: &str =
    "setsid /usr/lib/postfix/sbin/master -d -c \"$0\" & read -r _; kill -TERM $!; wait $! || true";

const MAIN: &str = "\
compatibility_level = 3.6
queue_directory = FOLDER/spool
data_directory = FOLDER/data
maillog_file = FOLDER/log
maillog_file_prefixes = FOLDER
myhostname = localhost
mydestination =
inet_protocols = ipv4
alias_maps =
alias_database =
mynetworks = 192.0.2.1/32
smtpd_relay_restrictions = reject_unauth_destination
virtual_mailbox_domains = example.org
virtual_mailbox_base = FOLDER/mail
virtual_mailbox_maps = inline:{ {ops@example.org=ops/} {night@example.org=night/} }
virtual_uid_maps = static:65534
virtual_gid_maps = static:65534
smtpd_tls_cert_file = FOLDER/cert.pem
smtpd_tls_key_file = FOLDER/key.pem
smtpd_tls_received_header = yes
smtpd_sasl_authenticated_header = yes
smtpd_sasl_path = smtpd
cyrus_sasl_config_path = FOLDER/etc/sasl
";

const MASTER: &str = "\
HOST:25 inet n - n - - smtpd
HOST:587 inet n - n - - smtpd
  -o smtpd_tls_security_level=encrypt
  -o smtpd_sasl_auth_enable=yes
  -o smtpd_client_restrictions=permit_sasl_authenticated,reject
HOST:465 inet n - n - - smtpd
  -o smtpd_tls_wrappermode=yes
  -o smtpd_sasl_auth_enable=yes
  -o smtpd_client_restrictions=permit_sasl_authenticated,reject
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
error unix - - n - - error
retry unix - - n - - error
virtual unix - n n - - virtual
anvil unix - - n - 1 anvil
postlog unix-dgram n - n - 1 postlogd
proxymap unix - - n - - proxymap
";

const SASL: &str = "\
pwcheck_method: auxprop
auxprop_plugin: sasldb
sasldb_path: FOLDER/sasldb2
mech_list: PLAIN LOGIN
";
