//! Channels of kind `matrix`, with Synapse as the server: `make test-matrix`.
//!
//! A separate test, since Synapse takes 240 MB of packages that nothing else needs.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a helper of a test fails the test")]

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Map, Value, json};
use service_healthcheck::alerting::{Sender, SenderRules};
use service_healthcheck::domain::alert::{
    AlertKind, Attempt, Channel, ChannelOptions, Facts, Message, MessageState, Severity,
};
use service_healthcheck::domain::maintenance::zone::Zone;
use service_healthcheck::domain::{Origin, Variables};
use service_healthcheck::probe::net::policy::Policy;
use service_healthcheck::probe::net::tls::Trust;
use tempfile::TempDir;

/// Longest wait for the server. Only a broken one exceeds it.
const WAIT_LIMIT: Duration = Duration::from_secs(120);

/// Messages that a client may send at once; after them, one in 5 seconds.
const BURST: u32 = 3;

/// A running server, killed on drop.
struct Synapse {
    child: Child,
    url: String,
    folder: TempDir,
}

impl Synapse {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let id = std::process::id() % 65_536;
        let host = format!("127.255.{}.{}", id / 256, 1 + id % 256 % 254);
        let configuration = json!({
            "server_name": "localhost",
            "pid_file": folder.path().join("pid"),
            "listeners": [{"bind_addresses": [host], "port": 8008, "type": "http", "tls": false,
                "resources": [{"names": ["client"]}]}],
            "database": {"name": "sqlite3", "args": {"database": ":memory:"}},
            "media_store_path": folder.path().join("media"),
            "signing_key_path": folder.path().join("signing.key"),
            "registration_shared_secret": "s3cret",
            "macaroon_secret_key": "s3cret",
            "form_secret": "s3cret",
            "report_stats": false,
            "trusted_key_servers": [],
            "rc_message": {"per_second": 0.2, "burst_count": BURST},
        });
        // All JSON is YAML.
        std::fs::write(folder.path().join("homeserver.yaml"), configuration.to_string()).unwrap();
        let made = command(folder.path()).arg("--generate-keys").status().unwrap();
        assert!(made.success(), "{made}");
        let log = File::create(folder.path().join("log")).unwrap();
        let child = command(folder.path()).stderr(log).spawn().unwrap();
        let mut server = Self { child, url: format!("http://{host}:8008"), folder };
        server.wait();
        server
    }

    fn wait(&mut self) {
        let deadline = Instant::now() + WAIT_LIMIT;
        while ureq::get(format!("{}/_matrix/client/versions", self.url)).call().is_err() {
            let ended = self.child.try_wait().unwrap();
            let log = || std::fs::read_to_string(self.folder.path().join("log"));
            assert!(ended.is_none() && Instant::now() < deadline, "{ended:?}: {:?}", log());
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// Registers a user; returns its access token.
    fn user(&self) -> String {
        let registered = Command::new(synapse().join("register_new_matrix_user"))
            .args(["-u", "monitor", "-p", "s3cret", "--no-admin", "-k", "s3cret", &self.url])
            .stdout(Stdio::null())
            .status()
            .unwrap();
        assert!(registered.success(), "{registered}");
        let login = json!({"type": "m.login.password", "password": "s3cret",
            "identifier": {"type": "m.id.user", "user": "monitor"}});
        let login = ureq::post(format!("{}/_matrix/client/v3/login", self.url)).send_json(&login);
        text(&login.unwrap().body_mut().read_json().unwrap(), "access_token")
    }

    fn room(&self, token: &str) -> String {
        let made = ureq::post(format!("{}/_matrix/client/v3/createRoom", self.url))
            .header("Authorization", format!("Bearer {token}"))
            .send_json(json!({}));
        text(&made.unwrap().body_mut().read_json().unwrap(), "room_id")
    }

    /// The bodies of the messages in `room`, newest first.
    fn messages(&self, token: &str, room: &str) -> Vec<String> {
        let url = format!("{}/_matrix/client/v3/rooms/{room}/messages", self.url);
        let list = ureq::get(url)
            .query("dir", "b")
            .query("limit", "100")
            .header("Authorization", format!("Bearer {token}"))
            .call();
        let list: Value = list.unwrap().body_mut().read_json().unwrap();
        let events = list["chunk"].as_array().unwrap().iter();
        let messages = events.filter(|event| event["type"] == "m.room.message");
        messages.map(|event| text(&event["content"], "body")).collect()
    }
}

impl Drop for Synapse {
    fn drop(&mut self) {
        // The process may have exited already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The programs that `tests/matrix.sh` installs.
fn synapse() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("target/tools/synapse/bin")
}

fn command(folder: &Path) -> Command {
    let mut command = Command::new(synapse().join("python"));
    command
        .args(["-m", "synapse.app.homeserver", "--config-path", "homeserver.yaml"])
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::null());
    command
}

fn text(value: &Value, key: &str) -> String {
    value[key].as_str().unwrap_or_else(|| panic!("no {key}: {value}")).to_owned()
}

fn message(revision: u32) -> Message {
    Message {
        state: MessageState::Firing,
        kind: AlertKind::Down,
        severity: Severity::Critical,
        key: "shc-abcdefgh-7".to_owned(),
        revision,
        monitor: "monitor".to_owned(),
        description: String::new(),
        facts: Facts { name: "<api> & 📚".to_owned(), ..Facts::default() },
        since_ms: 1_795_915_000_000,
        ended_ms: None,
        now_ms: 1_795_915_117_000,
        end_cause: None,
        failure_threshold: 3,
        success_threshold: 2,
        dependents: 0,
        link: None,
        recipient: None,
        reference: None,
        digest: None,
    }
}

#[test]
fn a_repeated_request_is_one_message_and_a_full_bucket_says_when_it_has_room() {
    let server = Synapse::start();
    let token = server.user();
    let room = server.room(&token);
    let keys = json!({"server-url": server.url, "access-token": token, "internal-room-id": room});
    let keys = keys.as_object().unwrap().clone();
    let channel = Channel {
        id: 1,
        name: "matrix".to_owned(),
        kind: "matrix".to_owned(),
        origin: Origin::Api,
        enabled: true,
        options: ChannelOptions { keys, ..ChannelOptions::default() },
        failing_since_ms: None,
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let sender = runtime.block_on(async {
        Sender::new(SenderRules {
            trust: Trust::load(None).unwrap(),
            policy: Policy::default(),
            resolver_health: Arc::default(),
            variables: Variables::default(),
            zone: Zone::utc(),
        })
    });
    let local = tokio::task::LocalSet::new();
    let send =
        |revision| local.block_on(&runtime, sender.send(&channel, &Map::new(), &message(revision)));
    let is_delivered = |attempt: &Attempt| matches!(attempt, Attempt::Delivered { .. });
    for attempt in [send(1), send(1)] {
        assert!(is_delivered(&attempt), "{attempt:?}");
    }
    let messages = server.messages(&token, &room);
    assert_eq!(messages.len(), 1, "the transaction has the same id: {messages:?}");
    assert!(messages[0].contains("<api> & 📚"), "{messages:?}");

    let mut revision = 1;
    let retry_after = loop {
        revision += 1;
        assert!(revision <= 3 * BURST, "no limit");
        match send(revision) {
            Attempt::Delivered { .. } => {}
            Attempt::ChannelFailed { http_status: Some(429), retry_after, .. } => {
                break retry_after;
            }
            other => panic!("{other:?}"),
        }
    };
    let retry_after = retry_after.unwrap();
    assert!(retry_after <= Duration::from_secs(10), "{retry_after:?}");
    std::thread::sleep(retry_after);
    let attempt = send(revision);
    assert!(is_delivered(&attempt), "after {retry_after:?}: {attempt:?}");
    assert_eq!(server.messages(&token, &room).len(), usize::try_from(revision).unwrap());
}
