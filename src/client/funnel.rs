//! Notices when all clients arrive as one.

use std::net::IpAddr;

use super::Address;
use crate::request::Request;

/// So many requests in a row must look alike.
const ENOUGH: u32 = 100;
/// So many entries of `X-Forwarded-For` are looked at, from its end, and at most so many bytes: more than those
/// have.
const ENTRIES: usize = 8;
const END: usize = 512;

/// Why all clients arrive as one, from what the proxy in front says of them in `X-Forwarded-For`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The proxy behind it was not told to believe it.
    Untold,
    /// It writes addresses in a form that Envoy does not read, told or not: `192.0.2.1:4711`, or in brackets.
    WithPort,
}

impl Cause {
    /// Of what is said of one client.
    fn of(entry: &[u8]) -> Self {
        let has_port = Address::parse(entry) != Address::Unknown
            && std::str::from_utf8(entry).is_ok_and(|entry| entry.parse::<IpAddr>().is_err());
        if has_port || entry.starts_with(b"[") { Self::WithPort } else { Self::Untold }
    }
}

/// Watches for a proxy in front of this one that it has not been told of: every request then comes from the
/// one private address of that proxy, all clients share one counter, and the client's own address stands
/// unused in `X-Forwarded-For`.
#[derive(Debug, Default)]
pub struct Funnel {
    address: Option<Address>,
    /// Whom the second of these requests was forwarded for: the first is not looked at, so that clients who take
    /// turns cost next to nothing.
    before: Option<Vec<u8>>,
    several: bool,
    requests: u32,
    told: bool,
}

impl Funnel {
    /// Looks at one more request from `address`. Returns the cause once, when a hundred in a row came from one
    /// private address and were forwarded for several clients.
    pub fn notices(&mut self, address: Address, request: &Request) -> Option<Cause> {
        if self.told {
            return None;
        }
        if self.address != Some(address) || !is_private(address) {
            *self = Self { address: Some(address), requests: 1, ..Self::default() };
            return None;
        }
        let Some(forwarded_for) = forwarded_for(address, request) else {
            *self = Self::default();
            return None;
        };
        self.several |= *self.before.get_or_insert_with(|| forwarded_for.to_vec()) != forwarded_for;
        self.requests = self.requests.saturating_add(1);
        self.told = self.several && self.requests >= ENOUGH;
        self.told.then(|| Cause::of(forwarded_for))
    }
}

/// Whom the proxy at `address` says it forwards for: in `X-Forwarded-For` the entry before its own. Envoy appends
/// the address of its peer, or its own if the peer is on the same machine, so that the proxy's own may be missing.
///
/// A client can make the list long, so only its end is looked at: there stands what proxies have added.
fn forwarded_for<'a>(address: Address, request: &Request<'a>) -> Option<&'a [u8]> {
    let list = request.header("x-forwarded-for").last()?;
    let (_, end) = list.split_at(list.len().saturating_sub(END));
    let entries = || end.rsplit(|byte| *byte == b',').map(<[u8]>::trim_ascii).take(ENTRIES);
    let own = entries().position(|entry| Address::parse(entry) == address);
    entries().nth(own.unwrap_or(0) + 1)
}

fn is_private(address: Address) -> bool {
    match address {
        Address::Ip(IpAddr::V4(ip)) => ip.is_private() || ip.is_loopback() || ip.is_link_local(),
        Address::Ip(IpAddr::V6(ip)) => ip.is_unique_local() || ip.is_loopback() || ip.is_unicast_link_local(),
        Address::Unknown => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::{Headers, NoProperties};

    fn noticed(requests: impl Iterator<Item = (String, Option<String>)>) -> Vec<usize> {
        let (indices, causes): (Vec<_>, Vec<_>) = caused(requests).into_iter().unzip();
        assert!(causes.iter().all(|cause| *cause == Cause::Untold));
        indices
    }

    /// Which of these requests (address, `X-Forwarded-For`) it is noticed at, and the cause.
    fn caused(requests: impl Iterator<Item = (String, Option<String>)>) -> Vec<(usize, Cause)> {
        let mut funnel = Funnel::default();
        let mut notices = |(address, forwarded): (String, Option<String>)| {
            let headers: Vec<_> = forwarded.iter().map(|value| ("x-forwarded-for", value)).collect();
            let block = Headers::encode(&headers);
            let request = Request::new(Headers::new(&block), &NoProperties);
            funnel.notices(Address::parse(address.as_bytes()), &request)
        };
        requests.enumerate().filter_map(|(index, request)| Some((index, notices(request)?))).collect()
    }

    fn client(number: usize) -> String {
        format!("198.51.100.{}, 10.0.0.5", number % 7)
    }

    #[test]
    fn an_untold_proxy_is_noticed_once() {
        assert_eq!(noticed((0..500).map(|number| ("10.0.0.5:1".into(), Some(client(number))))), [99]);
        let same_machine = |number| format!("2001:db8::{number}, 10.9.8.7");
        assert_eq!(noticed((0..500).map(|number| ("[::1]:1".into(), Some(same_machine(number))))), [99]);
        let one_of_two = |number| format!("198.51.100.{}, 10.0.0.5, 10.0.0.6", number % 7);
        assert_eq!(noticed((0..500).map(|number| ("10.0.0.5:1".into(), Some(one_of_two(number))))), [99]);
    }

    #[test]
    fn a_port_is_another_cause() {
        for (form, cause) in [
            ("198.51.100.7:4711", Cause::WithPort),
            ("[2001:db8::7]:4711", Cause::WithPort),
            ("[2001:db8::7]", Cause::WithPort),
            ("198.51.100.7", Cause::Untold),
            ("2001:db8::7", Cause::Untold),
            ("unknown", Cause::Untold),
        ] {
            let turns = |number| if number % 2 == 0 { "192.0.2.1" } else { form };
            let requests =
                (0..500).map(|number| ("10.0.0.5:1".into(), Some(format!("{}, 10.0.0.5", turns(number)))));
            assert_eq!(caused(requests), [(99, cause)], "{form}");
        }
    }

    #[test]
    fn only_the_end_of_a_list_is_looked_at() {
        let looked_at = |list: &str| {
            let block = Headers::encode(&[("x-forwarded-for", list)]);
            let request = Request::new(Headers::new(&block), &NoProperties);
            let proxy = Address::parse(b"10.0.0.5");
            forwarded_for(proxy, &request).map(|entry| String::from_utf8_lossy(entry).into_owned())
        };
        for (behind, expected) in [(0, "c"), (6, "c"), (8, "x"), (50_000, "x")] {
            let list = format!("c, 10.0.0.5{}", ",x".repeat(behind));
            assert_eq!(looked_at(&list).as_deref(), Some(expected), "{behind} entries behind its own");
            let spaces = format!("{},c, 10.0.0.5", " ".repeat(behind));
            assert_eq!(looked_at(&spaces).as_deref(), Some("c"));
        }
        let far = format!("c, 10.0.0.5, {}x", " ".repeat(50_000));
        assert_eq!(looked_at(&far), None, "behind more bytes than are looked at");
        assert_eq!(looked_at(""), None);
        assert_eq!(looked_at("10.0.0.5"), None);
    }

    #[test]
    fn ordinary_deployments_are_not() {
        let public = (0..500).map(|number| ("203.0.113.1:1".into(), Some(client(number))));
        let several = (0..500).map(|number| (format!("10.0.0.{}:1", number % 2), Some(client(number))));
        let direct = (0..500).map(|_| ("10.0.0.5:1".into(), None));
        let own = (0..500).map(|_| ("10.0.0.5:1".into(), Some("10.0.0.5".into())));
        let one_client = (0..500).map(|_| ("10.0.0.5:1".into(), Some(client(1))));
        let mixed = (0..500).map(|number| ("10.0.0.5:1".into(), (number % 99 > 0).then(|| client(number))));
        assert_eq!(noticed(public), [0; 0]);
        assert_eq!(noticed(several), [0; 0]);
        assert_eq!(noticed(direct), [0; 0]);
        assert_eq!(noticed(own), [0; 0]);
        assert_eq!(noticed(one_client), [0; 0]);
        assert_eq!(noticed(mixed), [0; 0]);
    }
}
