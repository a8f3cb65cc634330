//! The packets of an echo request and its reply.

/// Bytes after the header of a request.
const PAYLOAD_LENGTH: usize = 32;

/// Bytes before the payload: type, code, checksum, identifier, sequence number.
const HEADER_LENGTH: usize = 8;

/// The version of IP, and with it of ICMP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    V4,
    V6,
}

impl Family {
    /// The type of an echo request.
    fn request(self) -> u8 {
        match self {
            Self::V4 => 8,
            Self::V6 => 128,
        }
    }

    /// The type of an echo reply.
    pub fn reply(self) -> u8 {
        match self {
            Self::V4 => 0,
            Self::V6 => 129,
        }
    }
}

/// The identity of one probe's requests.
#[derive(Debug, Clone)]
pub struct Echo {
    id: u16,
    payload: [u8; PAYLOAD_LENGTH],
}

impl Echo {
    /// Identifier and payload from a random `token`.
    pub fn new(token: u64) -> Self {
        let mut payload = [b'.'; PAYLOAD_LENGTH];
        let token = token.to_be_bytes();
        payload[..8].copy_from_slice(&token);
        Self { id: u16::from_be_bytes([token[0], token[1]]), payload }
    }

    pub fn id(&self) -> u16 {
        self.id
    }

    /// An echo request. The kernel sets the identifier on a ping socket, and over IPv6 the
    /// checksum, which covers the addresses.
    pub fn request(&self, family: Family, sequence: u16) -> Vec<u8> {
        let [id_high, id_low] = self.id.to_be_bytes();
        let [high, low] = sequence.to_be_bytes();
        let mut packet = vec![family.request(), 0, 0, 0, id_high, id_low, high, low];
        packet.extend_from_slice(&self.payload);
        let sum = checksum(&packet).to_be_bytes();
        packet[2..4].copy_from_slice(&sum);
        packet
    }

    /// Whether the ICMP message `packet` is a reply to a request of this probe. A raw socket
    /// (`with_id`) receives the replies to other processes too.
    pub fn is_reply(&self, family: Family, packet: &[u8], with_id: bool) -> bool {
        packet.first() == Some(&family.reply())
            && packet.get(HEADER_LENGTH..) == Some(&self.payload[..])
            && (!with_id || packet.get(4..6) == Some(&self.id.to_be_bytes()[..]))
    }
}

/// The ICMP message in an IPv4 packet, which begins with a header of variable length (RFC 791,
/// section 3.1).
pub fn without_ip_header(packet: &[u8]) -> Option<&[u8]> {
    let words = usize::from(packet.first()? & 0x0f);
    packet.get(words * 4..)
}

/// The Internet checksum (RFC 1071).
fn checksum(packet: &[u8]) -> u16 {
    let mut sum: u32 = 0;
    for pair in packet.chunks(2) {
        let low = pair.get(1).copied().unwrap_or(0);
        sum += u32::from(u16::from_be_bytes([pair[0], low]));
        // End-around carry.
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_that_of_rfc_1071() {
        assert_eq!(checksum(&[0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7]), !0xddf2);
        assert_eq!(checksum(&[]), 0xffff);
        assert_eq!(checksum(&[0xff]), 0x00ff);
        let request = Echo::new(42).request(Family::V4, 7);
        assert_eq!(checksum(&request), 0, "0 over a packet with its checksum");
    }

    #[test]
    fn only_a_reply_with_the_same_payload_is_accepted() {
        let (sent, other) = (Echo::new(1), Echo::new(2));
        let mut reply = sent.request(Family::V4, 3);
        assert!(!sent.is_reply(Family::V4, &reply, true), "a request is not a reply");
        reply[0] = Family::V4.reply();
        for with_id in [true, false] {
            assert!(sent.is_reply(Family::V4, &reply, with_id));
            assert!(!other.is_reply(Family::V4, &reply, with_id));
            assert!(!sent.is_reply(Family::V6, &reply, with_id));
            assert!(!sent.is_reply(Family::V4, &reply[..20], with_id));
            assert!(!sent.is_reply(Family::V4, &[], with_id));
        }
    }

    #[test]
    fn the_identifier_counts_on_a_raw_socket_only() {
        let sent = Echo::new(0x0102_0304_0506_0708);
        assert_eq!(sent.id(), 0x0102);
        let mut reply = sent.request(Family::V6, 0);
        reply[0] = Family::V6.reply();
        reply[4] ^= 1;
        assert!(sent.is_reply(Family::V6, &reply, false), "the kernel has set it");
        assert!(!sent.is_reply(Family::V6, &reply, true), "another process");
    }

    #[test]
    fn the_ip_header_ends_where_its_length_says() {
        let packet = |first: u8, header: usize| [&[first][..], &vec![0; header - 1], b"m"].concat();
        assert_eq!(without_ip_header(&packet(0x45, 20)), Some(&b"m"[..]));
        assert_eq!(without_ip_header(&packet(0x46, 24)), Some(&b"m"[..]), "with options");
        assert_eq!(without_ip_header(&[0x45; 19]), None);
        assert_eq!(without_ip_header(&[]), None);
    }
}
