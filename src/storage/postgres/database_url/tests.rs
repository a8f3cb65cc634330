use proptest::prelude::*;

use super::*;

fn parse(url: &str) -> DatabaseUrl {
    DatabaseUrl::parse(url).unwrap_or_else(|error| panic!("{url}: {error}"))
}

fn error(url: &str) -> String {
    DatabaseUrl::parse(url).map(|parsed| panic!("{url}: {parsed:?}")).unwrap_err().to_string()
}

fn servers(url: &str) -> Vec<String> {
    parse(url).servers.iter().map(ToString::to_string).collect()
}

#[test]
fn a_url_has_user_password_host_port_and_database() {
    for scheme in ["postgres", "postgresql"] {
        let url = parse(&format!("{scheme}://mon%40x:p%2Fw%3A%20:1@db.example:6432/up%20time"));
        assert_eq!(url.user.as_deref(), Some("mon@x"));
        assert_eq!(url.password.as_deref(), Some("p/w: :1".as_bytes()));
        assert_eq!(url.servers[0].to_string(), "db.example:6432");
        assert_eq!(url.database, "up time");
        assert_eq!((url.tls, url.channel_binding), (None, ChannelBinding::Prefer));
    }
    let url = parse("postgres://db/uptime");
    assert_eq!((url.user, url.password), (None, None));
    assert_eq!(parse("postgres://:pw@db/uptime").password.as_deref(), Some("pw".as_bytes()));
}

#[test]
fn several_hosts_are_tried_in_their_order() {
    let expected = ["a:5432", "b:6432", "[::1]:5432", "10.0.0.1:1"];
    assert_eq!(servers("postgres://a,b:6432,[::1],10.0.0.1:1/u"), expected);
    assert_eq!(servers("postgres:///u?host=a,b&port=1,2"), ["a:1", "b:2"]);
    assert_eq!(servers("postgres:///u?host=a,b&port=1"), ["a:1", "b:1"]);
    assert!(error("postgres:///u?host=a,b,c&port=1,2").contains("number of ports"));
}

#[test]
fn a_folder_is_a_unix_socket() {
    let expected = ["/run/postgresql/.s.PGSQL.5432"];
    assert_eq!(servers("postgres:///u?host=/run/postgresql"), expected);
    assert_eq!(servers("postgres://%2Frun%2Fpostgresql/u"), expected);
    assert_eq!(servers("postgres://%2Frun:6432/u"), ["/run/.s.PGSQL.6432"]);
}

#[test]
fn parameters_may_give_the_parts_too() {
    let url = parse("postgres:///?host=db&user=u&password=p%26w&dbname=uptime");
    assert_eq!(url, parse("postgres://u:p%26w@db/uptime"));
}

#[test]
fn sslmode_is_disable_require_or_verify_full() {
    let tls = |mode: &str| parse(&format!("postgres://db/u?sslmode={mode}")).tls;
    assert_eq!(tls("disable"), Some(Tls::Disable));
    assert_eq!(tls("require"), Some(Tls::Require));
    assert_eq!(tls("verify-full"), Some(Tls::Require));
    for mode in ["allow", "prefer", "verify-ca", "REQUIRE", ""] {
        let error = error(&format!("postgres://u:s3cret@db/u?sslmode={mode}"));
        let expected = format!("invalid value sslmode={mode}, expected disable, or require or ");
        assert!(error.starts_with(&expected) && error.contains("verify-full"), "{error}");
    }
}

#[test]
fn the_server_is_one_that_takes_writes() {
    parse("postgres://a,b/u?target_session_attrs=read-write");
    for value in ["any", "read-only", "primary", "standby", "prefer-standby"] {
        let error = error(&format!("postgres://a/u?target_session_attrs={value}"));
        assert!(error.contains(&format!("target_session_attrs={value}, expected read-write")));
    }
}

#[test]
fn channel_binding_is_disable_prefer_or_require() {
    let url = parse("postgres://u:p@ep-x.neon.tech/db?sslmode=require&channel_binding=require");
    assert_eq!(url.channel_binding, ChannelBinding::Require);
    assert!(error("postgres://a/u?channel_binding=on").contains("disable, prefer or require"));
}

#[test]
fn unknown_and_repeated_parameters_are_refused() {
    for name in ["options", "sslrootcert", "connect_timeout", "application_name", "schema"] {
        let error = error(&format!("postgres://a/u?{name}=x"));
        assert!(error.contains(&format!("{name}=…, expected one of sslmode,")), "{error}");
    }
    for url in [
        "postgres://a/u?host=b",
        "postgres://a/u?dbname=v",
        "postgres://u:p@a/u?user=v",
        "postgres://u:p@a/u?password=q",
        "postgres://a/u?sslmode=require&sslmode=disable",
        "postgres://a/u?target_session_attrs=read-write&target_session_attrs=read-write",
    ] {
        assert!(error(url).contains("is given twice"), "{url}: {}", error(url));
    }
}

#[test]
fn malformed_urls_are_refused_with_a_reason() {
    for (url, reason) in [
        ("", "not a URL of PostgreSQL"),
        ("db.db", "not a URL of PostgreSQL; DB_FILE names an SQLite file"),
        ("sqlite://db.db", "not a URL of PostgreSQL"),
        ("mysql://u:p@db/u", "not a URL of PostgreSQL"),
        ("host=db dbname=u", "not a URL of PostgreSQL"),
        ("postgres://", "no database name"),
        ("postgres://db", "no database name"),
        ("postgres://db/", "no database name"),
        ("postgres:///u", "no host"),
        ("postgres://u:p@/u", "no host"),
        ("postgres://a,,b/u", "a host that is neither"),
        ("postgres://a b/u", "a host that is neither"),
        ("postgres://[::1/u", "a host that is neither"),
        ("postgres://[::1]5432/u", "a host that is neither"),
        ("postgres://db:0/u", "a port"),
        ("postgres://db:65536/u", "a port"),
        ("postgres://db:/u", "a port"),
        ("postgres://db/u?host", "a parameter without a value"),
        ("postgres://db/%00", "a control character"),
        ("postgres://u:50%off@db/u", "a % that is not percent-encoded: %25"),
        ("postgres://u:p%4@db/u", "a % that is not percent-encoded: %25"),
        ("postgres://%ff@db/u", "bytes that are not UTF-8"),
    ] {
        let error = error(url);
        assert!(error.starts_with("invalid value (") && error.contains(reason), "{url}: {error}");
        assert!(error.contains("expected postgres://USER:PASSWORD@HOST:PORT/DATABASE"), "{error}");
    }
}

#[test]
fn a_password_that_is_not_encoded_is_refused_and_not_shown() {
    for url in [
        "postgres://u:s3@cret@db/u",
        "postgres://u:s3/cret@db/u",
        "postgres://u:s3?cret@db/u",
        "postgres://u:7?cret=s3@db/u",
        "postgres://u:7/s3?cret@db/u",
        "postgres://u:7/cret/s3",
    ] {
        let error = error(url);
        assert!(error.contains("percent-encoded: %40, %2F, %3F"), "{error}");
        assert!(!error.contains("s3") && !error.contains("cret"), "{error}");
    }
}

#[test]
fn loopback_addresses_and_sockets_stay_on_this_machine() {
    for (host, is_local) in [
        ("localhost", true),
        ("db.localhost", true),
        ("127.0.0.1", true),
        ("127.9.9.9", true),
        ("[::1]", true),
        ("[::ffff:127.0.0.1]", true),
        ("%2Frun", true),
        ("10.0.0.1", false),
        ("[fe80::1]", false),
        ("localhost.example", false),
        ("db", false),
    ] {
        let url = parse(&format!("postgres://{host}/u"));
        assert_eq!(url.servers[0].is_local(), is_local, "{host}");
    }
}

proptest! {
    #[test]
    fn every_encoded_password_is_read_back_and_never_shown(
        user in "[^\\p{C}]{1,12}",
        password in "[^\\p{C}]{8,40}",
        database in "[^\\p{C}]{1,12}",
        port in 1_u16..,
    ) {
        let encoded = |text: &str| utf8_percent_encode(text, ENCODED).to_string();
        let url = format!(
            "postgres://{}:{}@db:{port}/{}",
            encoded(&user), encoded(&password), encoded(&database)
        );
        let parsed = parse(&url);
        prop_assert_eq!(parsed.user.as_deref(), Some(user.as_str()));
        prop_assert_eq!(parsed.password.as_deref(), Some(password.as_bytes()));
        prop_assert_eq!(&parsed.database, &database);
        let (user, database) = (encoded(&user), encoded(&database));
        let expected = format!("postgres://{user}:***@db:{port}/{database}");
        prop_assert_eq!(parsed.shown(), expected.clone());
        prop_assert_eq!(format!("{parsed:?}"), expected);
    }

    #[test]
    fn what_is_shown_is_the_same_url(
        host in "[a-z]{1,8}(\\.[a-z]{1,8})?|10\\.1\\.2\\.3|\\[::1\\]|%2Frun%2Fpg",
        other in "[a-z]{1,8}",
        mode in "|\\?sslmode=(disable|require)",
    ) {
        let url = parse(&format!("postgres://u@{host},{other}/d{mode}"));
        prop_assert_eq!(parse(&url.shown()), url);
    }

    /// A wrong URL shows none of its secret, wherever the secret has reserved characters.
    #[test]
    fn no_error_shows_a_piece_of_the_password(
        pieces in prop::collection::vec("[A-Z]{6}", 1..5),
        separators in prop::collection::vec("[@/?#:&=%,\\[\\]]", 4),
        tail in "@db/u|@db|@db/u\\?sslmode=x",
    ) {
        let mut password = String::new();
        for (piece, separator) in pieces.iter().zip(&separators) {
            password.push_str(piece);
            password.push_str(separator);
        }
        let shown = match DatabaseUrl::parse(&format!("postgres://u:{password}{tail}")) {
            Err(error) => error.to_string(),
            // A password may have a `:`, `&` or `#`.
            Ok(parsed) => parsed.shown(),
        };
        for piece in &pieces {
            prop_assert!(!shown.contains(piece), "{shown}");
        }
    }
}
