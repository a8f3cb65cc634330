//! The probers `tcp`, `icmp`, `dns`, `grpc` and `websocket`.

use serde_json::json;

use crate::domain::Invalid;
use crate::modules::block::{Block, Problems};
use crate::modules::client::{
    CLIENT, FAMILY, UNSUPPORTED_OF_CLIENT, read_client, read_family, read_headers, read_tls,
};
use crate::modules::draft::Draft;
use crate::modules::query_response;
use crate::spec::field::{CONDITIONS, GRPC_SERVICE, QUERY_NAME, QUERY_TYPE};

pub fn tcp(block: &Block, draft: &mut Draft, problems: &mut Problems) {
    let known = [&["query_response", "tls", "tls_config"], &FAMILY[..]].concat();
    block.check_keys(&known, &["source_ip_address"], problems);
    read_family(block, draft, problems);
    draft.is_secured = block.boolean("tls", problems).is_some_and(|(_, tls)| tls);
    query_response::read(block, true, draft, problems);
    if draft.is_secured || draft.upgrades {
        read_tls(block, draft, problems);
    }
    if let Some((place, _)) = block.get("tls").filter(|_| draft.is_secured && draft.upgrades) {
        problems.add(place.line, format!("{}: not supported beside starttls", place.path));
    }
}

pub fn icmp(block: &Block, draft: &mut Draft, problems: &mut Problems) {
    let known = [&["ttl"], &FAMILY[..]].concat();
    let unsupported = ["source_ip_address", "payload_size", "dont_fragment"];
    block.check_keys(&known, &unsupported, problems);
    read_family(block, draft, problems);
    // 0 stands for the default of the exporter.
    if let Some((place, text)) = block.text("ttl", problems).filter(|(_, text)| *text != "0") {
        match text.parse() {
            Ok(ttl) => draft.of_module.ttl = Some(ttl),
            Err(_) => place.reject(&Invalid::new(text, "0 to 255"), problems),
        }
    }
}

pub fn dns(block: &Block, draft: &mut Draft, problems: &mut Problems) {
    let known = [
        "query_class",
        "query_name",
        "query_type",
        "recursion_desired",
        "transport_protocol",
        "valid_rcodes",
    ];
    let unsupported = [
        "dns_over_tls",
        "source_ip_address",
        "tls_config",
        "validate_additional_rrs",
        "validate_answer_rrs",
        "validate_authority_rrs",
    ];
    block.check_keys(&[&known[..], &FAMILY].concat(), &unsupported, problems);
    read_family(block, draft, problems);
    match block.text("query_name", problems) {
        Some((place, name)) => draft.put(QUERY_NAME, name, place),
        None => {
            let place = block.place();
            problems.add(place.line, format!("{}.query_name: required", place.path));
        }
    }
    let query_type = block.text("query_type", problems);
    let (place, name) = query_type.unwrap_or_else(|| (block.place().clone(), "ANY"));
    draft.put(QUERY_TYPE, name, place);
    match block.text("query_class", problems) {
        None | Some((_, "" | "IN")) => {}
        Some((place, _)) => place.unsupported(problems),
    }
    match block.text("transport_protocol", problems) {
        None | Some((_, "udp" | "")) => {}
        Some((_, "tcp")) => draft.of_module.is_dns_over_tcp = true,
        Some((place, other)) => place.reject(&Invalid::new(other, "udp or tcp"), problems),
    }
    if let Some((_, false)) = block.boolean("recursion_desired", problems) {
        draft.of_module.has_no_recursion = true;
    }
    let rcodes = block.texts("valid_rcodes", problems);
    let place = block.get("valid_rcodes").map_or_else(|| block.place().clone(), |(it, _)| it);
    let is_word = |it: &&str| !it.is_empty() && it.bytes().all(|b| b.is_ascii_alphanumeric());
    let condition = match rcodes.as_slice() {
        [] => "[DNS_RCODE] == NOERROR".to_owned(),
        all if !all.iter().all(is_word) => {
            place.reject(&Invalid::hidden("names such as NOERROR or NXDOMAIN"), problems);
            return;
        }
        [only] => format!("[DNS_RCODE] == {only}"),
        all => format!("[DNS_RCODE] == any({})", all.join(", ")),
    };
    draft.put(CONDITIONS, json!([condition]), place);
}

pub fn grpc(block: &Block, draft: &mut Draft, problems: &mut Problems) {
    let known = [&["service", "tls", "tls_config"], &FAMILY[..]].concat();
    block.check_keys(&known, &["metadata"], problems);
    read_family(block, draft, problems);
    draft.is_secured = block.boolean("tls", problems).is_some_and(|(_, tls)| tls);
    if draft.is_secured {
        read_tls(block, draft, problems);
    }
    if let Some((place, service)) = block.text("service", problems).filter(|(_, it)| !it.is_empty())
    {
        draft.put(GRPC_SERVICE, service, place);
    }
}

pub fn websocket(block: &Block, draft: &mut Draft, problems: &mut Problems) {
    block.check_keys(&["headers", "http_config", "query_response"], &[], problems);
    query_response::read(block, false, draft, problems);
    read_headers(block, draft, problems);
    let Some(client) = block.block("http_config", problems) else { return };
    let known = [&CLIENT[..], &FAMILY].concat();
    client.check_keys(&known, &UNSUPPORTED_OF_CLIENT, problems);
    read_client(&client, draft, problems);
}
