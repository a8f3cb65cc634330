//! Name servers that do not understand EDNS (RFC 6891, section 7).

use hickory_resolver::proto::op::ResponseCode;
use hickory_resolver::proto::rr::RecordType;
use serde_json::json;

use crate::support::machine::Machine;
use crate::support::{Answer, Launch, NameServer, Rejection, Target, record_of};

/// What servers do with a question that has EDNS.
const REJECTIONS: [Rejection; 5] = [
    Rejection::Code(ResponseCode::FormErr),
    Rejection::Code(ResponseCode::NotImp),
    Rejection::Code(ResponseCode::BADVERS),
    Rejection::Header(ResponseCode::FormErr),
    Rejection::Silence,
];

fn without_edns(rejection: Rejection) -> Answer {
    Answer::WithoutEdns { rejection, records: vec![record_of("127.0.0.1")] }
}

#[test]
fn a_name_server_as_the_target_is_asked_again_without_edns() {
    let (launch, server) = (Launch::new(), NameServer::start());
    let dns = json!({"query_name": "web.example", "query_type": "A", "expected": ["127.0.0.1"]});
    for rejection in REJECTIONS {
        server.set_answer("web.example", RecordType::A, without_edns(rejection));
        let command = launch.probe_command(&server.url()).options(json!({"dns": dns}));
        command.condition("[DNS_RCODE] == NOERROR").run().assert_up();
    }
    server.set_answer("web.example", RecordType::A, Answer::Fails(ResponseCode::FormErr));
    let command = launch.probe_command(&server.url()).options(json!({"dns": dns}));
    command.run().assert_failed("dns_server", "the server answered FORMERR");
    assert_eq!(server.query_count("web.example", RecordType::A), 2, "once with, once without");
}

#[test]
fn the_resolver_of_a_service_is_asked_again_without_edns() {
    let (launch, server, target) = (Launch::new(), NameServer::start(), Target::healthy());
    let url = target.url().replace("127.0.0.1", "web.example");
    for rejection in REJECTIONS {
        server.set_answer("web.example", RecordType::A, without_edns(rejection));
        for transport in ["udp", "tcp"] {
            let resolver = server.resolver_url().replace("udp", transport);
            let probed = launch.probe_command(&url).options(json!({"resolver": resolver})).run();
            assert!(probed.is_up(), "{rejection:?} over {transport}: {probed:?}");
        }
    }
}

#[test]
fn the_name_servers_of_the_machine_are_asked_again_without_edns() {
    let Some(machine) = Machine::enter("edns") else { return };
    machine.write_resolv_conf("nameserver 127.0.0.2\noptions edns0\n");
    let (server, target) = (NameServer::start_at("127.0.0.2:53"), Target::healthy());
    let (launch, url) = (machine.launch(), target.url().replace("127.0.0.1", "web.example"));
    for rejection in REJECTIONS {
        server.set_answer("web.example", RecordType::A, without_edns(rejection));
        let probed = launch.probe_command(&url).run();
        assert!(probed.is_up(), "{rejection:?}: {probed:?}");
    }
}
