//! Protocols that a `starttls` target may speak.

/// A protocol with a command that upgrades the connection to TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StartTlsProtocol {
    Smtp,
    Imap,
    Pop3,
    Ftp,
    Ldap,
    PostgreSql,
    /// XMPP, of clients.
    Xmpp,
    /// XMPP, between servers.
    XmppServer,
}

impl StartTlsProtocol {
    const WORDS: [(Self, &'static str); 8] = [
        (Self::Smtp, "smtp"),
        (Self::Imap, "imap"),
        (Self::Pop3, "pop3"),
        (Self::Ftp, "ftp"),
        (Self::Ldap, "ldap"),
        (Self::PostgreSql, "postgresql"),
        (Self::Xmpp, "xmpp"),
        (Self::XmppServer, "xmpp-server"),
    ];

    /// The protocol that [`as_str`](Self::as_str) writes as `word`.
    pub fn parse(word: &str) -> Option<Self> {
        Self::WORDS.into_iter().find(|(_, known)| *known == word).map(|(protocol, _)| protocol)
    }

    pub fn as_str(self) -> &'static str {
        let mut words = Self::WORDS.into_iter();
        words.find(|(protocol, _)| *protocol == self).map_or("", |(_, word)| word)
    }

    /// The name in details of failures.
    pub fn name(self) -> &'static str {
        match self {
            Self::Smtp => "SMTP",
            Self::Imap => "IMAP",
            Self::Pop3 => "POP3",
            Self::Ftp => "FTP",
            Self::Ldap => "LDAP",
            Self::PostgreSql => "PostgreSQL",
            Self::Xmpp | Self::XmppServer => "XMPP",
        }
    }

    /// The protocol of a well-known port; SMTP for every other port.
    pub fn of_port(port: Option<u16>) -> Self {
        match port {
            Some(21) => Self::Ftp,
            Some(110) => Self::Pop3,
            Some(143) => Self::Imap,
            // LDAP, and the global catalogue of Active Directory.
            Some(389 | 3268) => Self::Ldap,
            Some(5222) => Self::Xmpp,
            Some(5269) => Self::XmppServer,
            Some(5432) => Self::PostgreSql,
            _ => Self::Smtp,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_well_known_port_selects_the_protocol_of_starttls() {
        for (port, word) in [
            (21, "ftp"),
            (25, "smtp"),
            (110, "pop3"),
            (143, "imap"),
            (389, "ldap"),
            (587, "smtp"),
            (3268, "ldap"),
            (5222, "xmpp"),
            (5269, "xmpp-server"),
            (5432, "postgresql"),
            (10_143, "smtp"),
        ] {
            let protocol = StartTlsProtocol::of_port(Some(port));
            assert_eq!(protocol.as_str(), word, "{port}");
            assert_eq!(StartTlsProtocol::parse(word), Some(protocol));
        }
        assert_eq!(StartTlsProtocol::parse("IMAP"), None);
    }
}
