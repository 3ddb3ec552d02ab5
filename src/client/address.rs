//! Addresses and networks.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

/// Where a client is. An IPv4 client that a network shows as an IPv6 one is an IPv4 client: mapped (`::ffff:192.0.2.1`) or
/// translated (`64:ff9b::192.0.2.1`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Address {
    /// An IP address.
    Ip(IpAddr),
    /// The proxy names no IP address, as for a Unix domain socket. All such clients are one.
    Unknown,
}

impl Address {
    /// Reads what a proxy says: `192.0.2.1`, `192.0.2.1:4711`, `2001:db8::1`, `[2001:db8::1]:4711`, with or
    /// without a zone (`fe80::1%eth0`).
    #[must_use]
    pub fn parse(text: &[u8]) -> Self {
        // Envoy's form first, as most clients have it.
        if let Some(ip) = plain_v4(text) {
            return Self::Ip(ip.into());
        }
        let ip = std::str::from_utf8(text).ok().and_then(|text| {
            let socket = text.parse::<SocketAddr>().ok().map(|socket| socket.ip());
            socket.or_else(|| text.parse().ok()).or_else(|| without_zone(text))
        });
        ip.map_or(Self::Unknown, |ip: IpAddr| Self::Ip(canonical(ip)))
    }

    /// The network that this address belongs to under `prefixes`: the address with the bits beyond the
    /// prefix cleared.
    #[must_use]
    pub fn network(self, prefixes: Prefixes) -> Self {
        match self {
            Self::Ip(IpAddr::V4(ip)) => Self::Ip(masked_v4(ip, prefixes.ipv4).into()),
            Self::Ip(IpAddr::V6(ip)) => Self::Ip(masked_v6(ip, prefixes.ipv6).into()),
            Self::Unknown => Self::Unknown,
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(ip) => ip.fmt(f),
            Self::Unknown => f.write_str("an unknown address"),
        }
    }
}

/// `192.0.2.1` and `192.0.2.1:4711`. What is written in any other way is left to the library.
fn plain_v4(text: &[u8]) -> Option<Ipv4Addr> {
    let (mut octets, mut rest) = ([0; 4], text);
    for (place, octet) in octets.iter_mut().enumerate() {
        if place > 0 {
            rest = rest.strip_prefix(b".")?;
        }
        *octet = u8::try_from(small_number(&mut rest, 3)?).ok()?;
    }
    if let Some(port) = rest.strip_prefix(b":") {
        rest = port;
        u16::try_from(small_number(&mut rest, 5)?).ok()?;
    }
    rest.is_empty().then(|| octets.into())
}

/// A number of so many digits at most, without a 0 in front.
fn small_number(rest: &mut &[u8], most: usize) -> Option<u32> {
    let (mut number, mut digits) = (0, 0);
    while let [digit @ b'0'..=b'9', behind @ ..] = *rest {
        if digits == most || (digits > 0 && number == 0) {
            return None;
        }
        number = 10 * number + u32::from(digit - b'0');
        digits += 1;
        *rest = behind;
    }
    (digits > 0).then_some(number)
}

fn canonical(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V6(v6) => translated(v6).map_or(ip.to_canonical(), IpAddr::V4),
        IpAddr::V4(_) => ip,
    }
}

/// The IPv4 client in an address of NAT64's well-known prefix `64:ff9b::/96` (RFC 6052). All of IPv4 shares one /64 there, and
/// would be one client. It is believed because only a network's own translator makes such an address.
///
/// Other IPv6 addresses with an IPv4 address in them are not: those of 6to4 (`2002::/16`) and Teredo (`2001::/32`) are made at the
/// client's end of a tunnel, which could write an address that is exempt; IPv4-compatible ones (`::192.0.2.1`) nobody makes any
/// more; and where the IPv4 address stands in NAT64's local prefix `64:ff9b:1::/48` is known to its network alone.
fn translated(ip: Ipv6Addr) -> Option<Ipv4Addr> {
    match ip.octets() {
        [0, 0x64, 0xff, 0x9b, 0, 0, 0, 0, 0, 0, 0, 0, a, b, c, d] => Some(Ipv4Addr::new(a, b, c, d)),
        _ => None,
    }
}

/// `fe80::1%eth0` and `[fe80::1%eth0]:80`: which interface it came in by does not matter.
fn without_zone(text: &str) -> Option<IpAddr> {
    let (address, _zone) = text.split_once('%')?;
    address.trim_start_matches('[').parse::<Ipv6Addr>().ok().map(IpAddr::V6)
}

/// How many leading bits of an address tell one client from another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Prefixes {
    /// Of an IPv4 address, 1 to 32.
    pub ipv4: u8,
    /// Of an IPv6 address, 1 to 128. A provider gives each customer at least a /64.
    pub ipv6: u8,
}

impl Default for Prefixes {
    fn default() -> Self {
        Self { ipv4: 32, ipv6: 64 }
    }
}

/// A network, written `10.0.0.0/8` or, for one address, `10.0.0.1`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cidr {
    network: IpAddr,
    prefix: u8,
}

impl Cidr {
    /// Whether the address lies in this network. An unknown address lies in none.
    #[must_use]
    pub fn contains(&self, address: Address) -> bool {
        match (self.network, address) {
            (IpAddr::V4(network), Address::Ip(IpAddr::V4(ip))) => masked_v4(ip, self.prefix) == network,
            (IpAddr::V6(network), Address::Ip(IpAddr::V6(ip))) => masked_v6(ip, self.prefix) == network,
            _ => false,
        }
    }
}

/// Why a text is not a network. Its `Display` says what was expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CidrError {
    /// No address, or no number behind the `/`, or a prefix longer than the address.
    Form,
    /// Bits beyond the prefix are set; this is the network without them.
    HostBits(Cidr),
    /// A network of IPv4 addresses, written as IPv6: see [`Address`].
    Mapped,
}

impl fmt::Display for CidrError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Form => {
                f.write_str("expected an address or a network, such as `10.0.0.0/8` or `2001:db8::/32`")
            }
            Self::HostBits(network) => write!(f, "has bits set beyond its prefix; did you mean `{network}`?"),
            Self::Mapped => f.write_str(
                "is a network of IPv4 addresses written as IPv6; write it as IPv4, such as `10.0.0.0/8`",
            ),
        }
    }
}

impl std::error::Error for CidrError {}

impl fmt::Display for Cidr {
    /// A single address stands without a prefix.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bits = if self.network.is_ipv4() { 32 } else { 128 };
        write!(f, "{}", self.network)?;
        if self.prefix < bits { write!(f, "/{}", self.prefix) } else { Ok(()) }
    }
}

impl FromStr for Cidr {
    type Err = CidrError;

    fn from_str(text: &str) -> Result<Self, CidrError> {
        let (address, prefix) = text.split_once('/').map_or((text, None), |(ip, prefix)| (ip, Some(prefix)));
        let address: IpAddr = address.parse().map_err(|_| CidrError::Form)?;
        let bits = if address.is_ipv4() { 32 } else { 128 };
        let prefix = prefix.map_or(Some(bits), prefix_length).filter(|prefix| *prefix <= bits);
        let prefix = prefix.ok_or(CidrError::Form)?;
        let network = match address {
            IpAddr::V4(ip) => masked_v4(ip, prefix).into(),
            IpAddr::V6(_) if prefix >= 96 && canonical(address).is_ipv4() => return Err(CidrError::Mapped),
            IpAddr::V6(ip) => masked_v6(ip, prefix).into(),
        };
        let cidr = Self { network, prefix };
        if network == address { Ok(cidr) } else { Err(CidrError::HostBits(cidr)) }
    }
}

/// Digits as they are usually written: `str::parse` would take a leading `+`, and some take a leading 0 for octal.
fn prefix_length(text: &str) -> Option<u8> {
    let prefix: u8 = text.parse().ok()?;
    (prefix.to_string() == text).then_some(prefix)
}

fn masked_v4(ip: Ipv4Addr, prefix: u8) -> Ipv4Addr {
    let mask = u32::MAX.checked_shl(32 - u32::from(prefix.min(32))).unwrap_or(0);
    (u32::from(ip) & mask).into()
}

fn masked_v6(ip: Ipv6Addr, prefix: u8) -> Ipv6Addr {
    let mask = u128::MAX.checked_shl(128 - u32::from(prefix.min(128))).unwrap_or(0);
    (u128::from(ip) & mask).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    use crate::request::{NoProperties, Properties};

    proptest::proptest! {
        /// Which of the two reads a text must not matter: `192.0.2.1:080` is left to the library, which reads it.
        #[test]
        fn whoever_reads_an_address_reads_the_same(text in "[0-3]?[0-9]{1,2}(\\.[0-2]?[0-9]{1,2}){2,4}(:[0-9]{0,6})?[.:x]?") {
            let socket = text.parse::<SocketAddr>().ok().map(|socket| socket.ip());
            let of_library = socket.or_else(|| text.parse().ok()).map_or(Address::Unknown, Address::Ip);
            proptest::prop_assert_eq!(address(&text), of_library);
        }

        #[test]
        fn what_envoy_writes_is_read_at_once(octets: [u8; 4], port: u16) {
            let ip = Ipv4Addr::from(octets);
            proptest::prop_assert_eq!(plain_v4(ip.to_string().as_bytes()), Some(ip));
            proptest::prop_assert_eq!(plain_v4(format!("{ip}:{port}").as_bytes()), Some(ip));
        }
    }

    fn address(text: &str) -> Address {
        Address::parse(text.as_bytes())
    }

    fn ip(text: &str) -> Address {
        Address::Ip(text.parse().expect(text))
    }

    #[test]
    fn whatever_the_proxy_says() {
        for (text, expected) in [
            ("192.0.2.1:4711", "192.0.2.1"),
            ("192.0.2.1", "192.0.2.1"),
            ("[2001:db8::1]:4711", "2001:db8::1"),
            ("2001:db8::1", "2001:db8::1"),
            ("2001:DB8:0:0::0:1", "2001:db8::1"),
            ("[::ffff:192.0.2.1]:80", "192.0.2.1"),
            ("::ffff:c000:201", "192.0.2.1"),
            ("64:ff9b::192.0.2.1", "192.0.2.1"),
            ("[0064:FF9B::c000:201]:80", "192.0.2.1"),
            ("64:ff9b::%eth0", "0.0.0.0"),
            ("fe80::1%eth0", "fe80::1"),
            ("[fe80::1%25eth0]:80", "fe80::1"),
        ] {
            assert_eq!(address(text), ip(expected), "{text}");
        }
        let not_translated =
            ["64:ff9b:0:0:0:1:c000:201", "64:ff9b:1::c000:201", "2002:c000:201::1", "::192.0.2.1"];
        for text in not_translated.into_iter().chain(["2001::c000:201:0:0:3fff:fdfe", "::ffff:0:192.0.2.1"]) {
            assert_eq!(address(text), ip(text), "{text}");
        }
        for text in ["", "/run/envoy.sock", "localhost", "1.2.3.4.5", "256.0.0.1", "%", "[::1"] {
            assert_eq!(address(text), Address::Unknown, "{text}");
        }
        assert_eq!(Address::parse(b"\xff\xfe"), Address::Unknown);
        assert_eq!(address("[2001:DB8::1]:80").to_string(), "2001:db8::1");
        assert_eq!(address("").to_string(), "an unknown address");
        assert_eq!((&*NoProperties.source_address(), NoProperties.jwt_claim("sub")), (&b""[..], None));
    }

    #[test]
    fn a_prefix_groups_addresses() {
        let prefixes = Prefixes { ipv4: 24, ipv6: 64 };
        for (one, other, same) in [
            ("192.0.2.1", "192.0.2.254", true),
            ("192.0.2.1", "192.0.3.1", false),
            ("2001:db8:0:1::1", "2001:db8:0:1:ffff::2", true),
            ("2001:db8:0:1::1", "2001:db8:0:2::1", false),
        ] {
            assert_eq!(ip(one).network(prefixes) == ip(other).network(prefixes), same, "{one} {other}");
        }
        assert_eq!(ip("1.2.3.4").network(Prefixes::default()), ip("1.2.3.4"));
        assert_eq!(Address::Unknown.network(prefixes), Address::Unknown);
    }

    #[test]
    fn networks() {
        for (cidr, inside, outside) in [
            ("10.0.0.0/8", "10.255.0.1", "11.0.0.1"),
            ("10.0.0.1", "10.0.0.1", "10.0.0.2"),
            ("0.0.0.0/0", "1.2.3.4", "::1"),
            ("2001:db8::/32", "2001:db8:ffff::1", "2001:db9::1"),
            ("2001:db8::/96", "2001:db8::ffff:ffff", "2001:db8::1:0:0"),
            ("2001:db8::1", "2001:db8::1", "2001:db8::2"),
            ("::/0", "::1", "1.2.3.4"),
        ] {
            let cidr: Cidr = cidr.parse().expect(cidr);
            assert!(cidr.contains(address(inside)), "{cidr} {inside}");
            assert!(!cidr.contains(address(outside)), "{cidr} {outside}");
            assert!(!cidr.contains(Address::Unknown));
        }
        let refused = |text: &str| text.parse::<Cidr>().expect_err(text);
        assert!(refused("10.1.2.3/8").to_string().contains("`10.0.0.0/8`"));
        for text in ["::ffff:10.0.0.0/104", "64:ff9b::10.0.0.0/104", "64:ff9b::/96", "64:ff9b::192.0.2.1"] {
            assert_eq!(refused(text), CidrError::Mapped, "{text}");
        }
        assert!("64:ff9b:1::/48".parse::<Cidr>().is_ok());
        for text in [
            "",
            "10.0.0.0/33",
            "10.0.0.0/",
            "10.0.0.0/-1",
            "10.0.0.0/+8",
            "10.0.0.0/08",
            "10.0.0/8",
            "::/129",
            "x",
        ] {
            assert_eq!(refused(text), CidrError::Form, "{text}");
        }
    }
}
