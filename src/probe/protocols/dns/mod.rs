//! One question to a name server (RFC 1035), over UDP and, for a truncated response, over TCP.

mod expected;
mod presentation;
mod question;

use crate::domain::service::dns_question::RecordKind;
use crate::domain::{Failure, Reason};
use crate::probe::context::ProbeContext;
use crate::probe::failure;
use crate::probe::protocols::dns::expected::{mnemonic, plain_rule};
use crate::probe::protocols::dns::presentation::RecordText;
use crate::probe::protocols::dns::question::Question;
use crate::probe::response::ProbeResponse;
use crate::probe::timings::Phase;

/// Sends the service's question. The body of the response is the records of the requested type, one
/// on each line, in the form of Gatus.
pub async fn probe(context: &ProbeContext<'_>) -> Result<ProbeResponse, Failure> {
    let Some(asked) = &context.options().dns else {
        return Err(Failure::new(Reason::LocalConfig, "the service has no DNS question"));
    };
    let name = asked.wire_name().unwrap_or_else(|| asked.name.clone());
    let of_module = context.options().of_module.as_ref();
    let recursion = of_module.is_none_or(|module| !module.has_no_recursion);
    let question = Question::new(&name, asked.kind, recursion)
        .map_err(|why| Failure::new(Reason::LocalConfig, format!("dns: {why}")))?;

    let response = if of_module.is_some_and(|module| module.is_dns_over_tcp) {
        let stream = context.connect(context.url).await?;
        context.enter(Phase::Processing);
        let server = stream.peer_addr().map_err(|error| failure::of_io("connecting", &error))?;
        question.ask_over(server, stream).await?
    } else {
        let addresses = context.resolve(context.url).await?;
        context.enter(Phase::Processing);
        let (address, response) = question.ask(&addresses).await?;
        context.update_details(|details| details.address = Some(address));
        response
    };
    let rcode = mnemonic(response.metadata.response_code);
    let records: Vec<RecordText> = response.answers.iter().filter_map(RecordText::new).collect();
    let is_requested = |record: &&RecordText| [record.kind, RecordKind::ANY].contains(&asked.kind);
    let records: Vec<&RecordText> = records.iter().filter(is_requested).collect();
    let plain = plain_rule(asked, &rcode, &records);
    // Expected records are required with conditions too.
    if let Err(failure) = &plain
        && !asked.expected.is_empty()
    {
        return Err(failure.clone());
    }
    let body: Vec<&str> = records.iter().map(|record| record.short.as_str()).collect();
    let mut forms: Vec<String> = records.iter().flat_map(|record| record.forms()).collect();
    if asked.kind == RecordKind::ANY {
        forms.extend(records.iter().map(|record| record.with_type()));
    }
    Ok(ProbeResponse {
        body: body.join("\n").into_bytes(),
        records: forms,
        rcode: Some(rcode),
        plain,
        ..ProbeResponse::default()
    })
}
