//! SSH targets.

use crate::support::sshd::sshd;
use crate::support::{Launch, Peer, smtp_greeting};

#[test]
fn an_ssh_server_is_up_when_it_identifies_itself() {
    let launch = Launch::new();
    let server = sshd();
    let probe = |condition| launch.probe_command(&server.url("ssh")).condition(condition).run();
    launch.probe_command(&server.url("ssh")).run().assert_up();
    probe("[BODY] == pat(SSH-2.0-OpenSSH_*)").assert_up();
    probe("[STATUS] == 0").assert_up();
    probe("[BODY] == x").assert_failed("condition", "[BODY] (SSH-2.0-OpenSSH_");
    let mail = Peer::tcp(smtp_greeting);
    let other = launch.probe_command(&mail.url("ssh")).timeout(1.0).run();
    assert!(["protocol", "timeout"].contains(&other.reason()), "{other:?}");
    let closed = Peer::tcp(|_| Ok(()));
    let closed = launch.probe_command(&closed.url("ssh")).run();
    closed.assert_failed("protocol", "waiting for the SSH identification: the connection was clos");
    let absent = launch.probe_command("ssh://127.0.0.1:1").run();
    absent.assert_failed("refused", "connecting to 127.0.0.1:1");
}

#[test]
fn credentials_are_not_used_with_a_notice_of_what_to_do_instead() {
    let endpoint =
        |ssh: &str| format!("endpoints:\n  - name: a\n    url: ssh://h\n    ssh: {ssh}\n");
    let check = |ssh: &str| {
        let launch = Launch::new();
        let file = launch.write_file("ssh.yaml", &endpoint(ssh));
        launch.run(&["check-file", file.to_str().unwrap()])
    };
    let (code, output) = check("{username: '', password: ''}");
    assert_eq!(code, Some(0), "{output}");
    let (code, output) = check("{username: ann, password: s3cret}");
    assert_eq!(code, Some(0), "{output}");
    assert!(output.contains("ssh.yaml:4: endpoints: ssh: not used: there is no login"), "{output}");
    assert!(output.contains("exec://check_by_ssh") && !output.contains("s3cret"), "{output}");
}
