//! Kind `email`: mail over SMTP.
//!
//! lettre speaks SMTP and formats the mail; the connection is ours, so that its address is judged
//! and its certificate is verified as for every other channel.

mod mail;
mod settings;
mod stream;

use std::cell::Cell;
use std::time::Instant;

use lettre::Address;
use lettre::transport::smtp::Error;
use lettre::transport::smtp::authentication::DEFAULT_MECHANISMS;
use lettre::transport::smtp::client::AsyncSmtpConnection;
use lettre::transport::smtp::commands::{Data, Mail as MailFrom, Rcpt, Starttls};
use lettre::transport::smtp::extension::{ClientId, Extension, MailBodyParameter, MailParameter};

use crate::alerting::client_options::ClientOptions;
use crate::alerting::dialer::{Connected, Dialer};
use crate::alerting::http::is_private;
use crate::alerting::judge::safe_error;
use crate::alerting::smtp::stream::SmtpStream;
use crate::domain::Failure;
use crate::domain::alert::{Attempt, Message};
use crate::probe::net::proxy::Proxy;
use crate::probe::net::tls::Alpn;
use crate::probe::net::tls_stream::Transport;

pub use settings::{Settings, check, literals};

/// How long the server may take to end the session after it accepted the mail.
const QUIT_TIMEOUT: std::time::Duration = std::time::Duration::from_millis(500);

/// One mail.
pub struct Mail<'a> {
    pub message: &'a Message,
    pub subject: &'a str,
    pub text: &'a str,
    /// Whether errors may quote a server with a private address.
    pub quotes_private: bool,
}

/// Sends one mail to all recipients, within the timeout of `client`.
///
/// A recipient that is refused does not cost the others their mail: the mail is sent when at least
/// one is accepted, and the attempt is `MessageRefused` when one was not.
pub async fn send(
    dialer: &Dialer,
    proxy: Option<&Proxy>,
    settings: &Settings,
    client: &ClientOptions,
    mail: &Mail<'_>,
) -> Attempt {
    let session = Session {
        dialer,
        proxy,
        settings,
        client,
        step: Cell::new("connecting"),
        quotes: Cell::new(mail.quotes_private),
    };
    let sent = match mail::build(settings, mail.message, mail.subject, mail.text) {
        Ok(formatted) => tokio::time::timeout(client.timeout, session.deliver(&formatted)).await,
        Err(why) => Ok(Err(Fault::Message(format!("the mail cannot be built: {why}")))),
    };
    let sent = sent.unwrap_or_else(|_elapsed| {
        let (step, timeout) = (session.step.get(), client.timeout);
        Err(Fault::Channel(format!("{step}: no complete reply within {timeout:?}")))
    });
    let secrets = settings.login.as_ref().map_or(&[][..], |login| &login.secrets);
    match sent {
        Ok(()) => Attempt::Delivered { http_status: None, reference: None },
        Err(Fault::Channel(error)) => Attempt::ChannelFailed {
            http_status: None,
            error: safe_error(&error, secrets),
            retry_after: None,
        },
        Err(Fault::Message(error)) => {
            Attempt::MessageRefused { http_status: None, error: safe_error(&error, secrets) }
        }
    }
}

/// What a mail failed by.
#[derive(Debug)]
enum Fault {
    Channel(String),
    Message(String),
}

impl From<Failure> for Fault {
    fn from(failure: Failure) -> Self {
        Self::Channel(failure.detail)
    }
}

struct Session<'a> {
    dialer: &'a Dialer,
    proxy: Option<&'a Proxy>,
    settings: &'a Settings,
    client: &'a ClientOptions,
    /// For the error at the deadline.
    step: Cell<&'static str>,
    /// Whether errors may quote the server.
    quotes: Cell<bool>,
}

impl Session<'_> {
    async fn deliver(&self, mail: &lettre::Message) -> Result<(), Fault> {
        let mut connection = self.open().await?;
        if let Some(login) = &self.settings.login {
            self.step.set("AUTH");
            let server = connection.server_info();
            if server.get_auth_mechanism(DEFAULT_MECHANISMS).is_none() {
                let why = "AUTH: the server offers neither PLAIN nor LOGIN";
                return Err(Fault::Channel(why.to_owned()));
            }
            let accepted = connection.auth(DEFAULT_MECHANISMS, &login.credentials).await;
            accepted.map_err(|error| self.channel(&error))?;
        }
        let result = self.transfer(&mut connection, mail).await;
        // The result stands, whatever the server does next.
        let _ = tokio::time::timeout(QUIT_TIMEOUT, connection.quit()).await;
        result
    }

    /// A session after EHLO, over TLS as the settings require.
    async fn open(&self) -> Result<AsyncSmtpConnection, Fault> {
        let server = &self.settings.server;
        let deadline = Instant::now() + self.client.timeout;
        let Connected { transport, address } =
            self.dialer.connect(server, self.proxy, deadline).await?;
        self.quotes.set(self.quotes.get() || !is_private(address.ip()));
        if self.settings.security == settings::Security::Implicit {
            return self.greet(SmtpStream::new(self.handshake(transport).await?)).await;
        }
        let stream = SmtpStream::new(transport);
        let mut plain = self.greet(stream.clone()).await?;
        match self.settings.security {
            settings::Security::Off => return Ok(plain),
            _ if plain.can_starttls() => {}
            settings::Security::Optional => return Ok(plain),
            _ => {
                let why = "STARTTLS: the server does not offer it";
                return Err(Fault::Channel(why.to_owned()));
            }
        }
        self.step.set("STARTTLS");
        plain.command(Starttls).await.map_err(|error| self.channel(&error))?;
        let closed = || Fault::Channel("STARTTLS: the connection is closed".to_owned());
        let transport = stream.take().ok_or_else(closed)?;
        self.greet(SmtpStream::after_starttls(self.handshake(transport).await?)).await
    }

    async fn handshake(&self, transport: Transport) -> Result<Transport, Fault> {
        self.step.set("TLS handshake");
        let (server, options) = (&self.settings.server, &self.client.tls);
        let stream = self.dialer.handshake(server, options, Alpn::None, transport).await?;
        Ok(Transport::Tls(Box::new(stream)))
    }

    async fn greet(&self, stream: SmtpStream) -> Result<AsyncSmtpConnection, Fault> {
        self.step.set("greeting");
        let hello = ClientId::Domain(self.settings.from.email.domain().to_owned());
        let connection =
            AsyncSmtpConnection::connect_with_transport(Box::new(stream), &hello).await;
        connection.map_err(|error| self.channel(&error))
    }

    async fn transfer(
        &self,
        connection: &mut AsyncSmtpConnection,
        mail: &lettre::Message,
    ) -> Result<(), Fault> {
        let envelope = mail.envelope();
        let body = mail.formatted();
        self.step.set("MAIL FROM");
        let parameters = self.parameters(connection, mail, &body)?;
        let from = MailFrom::new(envelope.from().cloned(), parameters);
        connection.command(from).await.map_err(|error| self.channel(&error))?;
        self.step.set("RCPT TO");
        let mut refused = Vec::new();
        for recipient in envelope.to() {
            let accepted = connection.command(Rcpt::new(recipient.clone(), Vec::new())).await;
            match accepted {
                Ok(_) => {}
                Err(error) if error.status().is_some() => refused.push((recipient, error)),
                Err(error) => return Err(self.channel(&error)),
            }
        }
        let (refusals, recipients) = (refused.len(), envelope.to().len());
        let refusal =
            |address: &Address, error: &Error| format!("RCPT TO {address}: {}", self.reply(error));
        if refusals == recipients {
            let transient = refused.iter().find(|(_, error)| error.is_transient());
            if let Some((recipient, error)) = transient {
                return Err(Fault::Channel(refusal(recipient, error)));
            }
        }
        if refusals < recipients {
            self.step.set("DATA");
            connection.command(Data).await.map_err(|error| self.content(&error))?;
            connection.message(&body).await.map_err(|error| self.content(&error))?;
        }
        match refused.first() {
            None => Ok(()),
            Some((recipient, error)) => {
                let sent = recipients - refusals;
                let why = refusal(recipient, error);
                Err(Fault::Message(format!("sent to {sent} of {recipients}: {why}")))
            }
        }
    }

    fn parameters(
        &self,
        connection: &AsyncSmtpConnection,
        mail: &lettre::Message,
        body: &[u8],
    ) -> Result<Vec<MailParameter>, Fault> {
        let server = connection.server_info();
        let envelope = mail.envelope();
        let addresses = envelope.from().into_iter().chain(envelope.to());
        let mut parameters = Vec::new();
        if !addresses.into_iter().all(|address| AsRef::<str>::as_ref(address).is_ascii()) {
            if !server.supports_feature(Extension::SmtpUtfEight) {
                let why = "MAIL FROM: the server takes ASCII addresses only (no SMTPUTF8)";
                return Err(Fault::Channel(why.to_owned()));
            }
            parameters.push(MailParameter::SmtpUtfEight);
        }
        if !body.is_ascii() && server.supports_feature(Extension::EightBitMime) {
            parameters.push(MailParameter::Body(MailBodyParameter::EightBitMime));
        }
        Ok(parameters)
    }

    /// A fault of the channel, whatever the reply is.
    fn channel(&self, error: &Error) -> Fault {
        Fault::Channel(format!("{}: {}", self.step.get(), self.reply(error)))
    }

    /// A fault in the answer to the mail's content.
    fn content(&self, error: &Error) -> Fault {
        match self.channel(error) {
            Fault::Channel(why) if error.is_permanent() => Fault::Message(why),
            other => other,
        }
    }

    /// Code and text of a reply, or what happened instead.
    fn reply(&self, error: &Error) -> String {
        let source = std::error::Error::source(error).map(ToString::to_string).unwrap_or_default();
        match error.status() {
            Some(code) if self.quotes.get() => format!("{code} {source}"),
            Some(code) => code.to_string(),
            None if source.is_empty() => error.to_string(),
            None => source,
        }
    }
}

#[cfg(test)]
pub mod tests;
