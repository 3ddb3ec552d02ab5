//! Where Redis is, for a proxy's module that opens connections of its own: what a URL says of it.

use std::fmt;

/// Where Redis is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// Its servers.
    pub servers: Servers,
    /// The number of the database; in a cluster there is 0 alone.
    pub database: u32,
    /// Whether connections are TLS, also those to sentinels.
    pub is_tls: bool,
}

/// The servers that an address names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Servers {
    /// One Redis, or whatever passes connections on to it.
    One(Node),
    /// Sentinels, which know where the master is.
    Sentinels {
        /// One or more of them.
        nodes: Vec<Node>,
        /// What they call the master.
        master: String,
    },
    /// One or more nodes of a Redis Cluster, which know the others.
    Cluster(Vec<Node>),
}

/// One server.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Node {
    /// A name in lower case, or an address; of IPv6 without brackets.
    pub host: String,
    /// The port, not 0.
    pub port: u16,
}

/// What stands in front of an address, and whether that means TLS.
const SCHEMES: [(&str, Kind, bool); 6] = [
    ("redis", Kind::One, false),
    ("rediss", Kind::One, true),
    ("redis-sentinel", Kind::Sentinels, false),
    ("rediss-sentinel", Kind::Sentinels, true),
    ("redis-cluster", Kind::Cluster, false),
    ("rediss-cluster", Kind::Cluster, true),
];

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    One,
    Sentinels,
    Cluster,
}

impl Kind {
    /// Where such a server listens if nothing else is said.
    const fn port(self) -> u16 {
        match self {
            Self::One | Self::Cluster => 6_379,
            Self::Sentinels => 26_379,
        }
    }
}

/// So many servers are asked at once, at most.
const MOST: usize = 16;

const SCHEME: &str = "expected where Redis is, as `redis://HOST:PORT`, `redis-sentinel://HOST:PORT,HOST:PORT/MASTER` or \
                      `redis-cluster://HOST:PORT,HOST:PORT`, each with `rediss` for TLS";
const LOGIN: &str = "has a login in it, which logs would show; write `username` and `password` beside `url`";
const HOST: &str = "expected hosts as `HOST:PORT`, with commas between several, such as `redis.example:6379`, `192.0.2.1:6379` or \
                    `[2001:db8::1]:6379`";

impl Address {
    /// Reads a URL.
    ///
    /// # Errors
    /// What is wrong with it and what to write instead, without what stands in it, as that may be a password.
    pub fn parse(url: &str) -> Result<Self, &'static str> {
        let (scheme, rest) = url.split_once("://").ok_or(SCHEME)?;
        let known = SCHEMES.iter().find(|(known, ..)| *known == scheme);
        let &(_, kind, is_tls) = known.ok_or(SCHEME)?;
        if rest.contains('@') {
            return Err(LOGIN);
        }
        if rest.contains(['?', '#']) {
            return Err("takes nothing behind a `?` or `#`; write other settings beside `url`");
        }
        let (hosts, path) = rest.split_once('/').unwrap_or((rest, ""));
        let mut nodes = Vec::new();
        for host in hosts.split(',') {
            nodes.push(Node::parse(host, kind.port()).ok_or(HOST)?);
        }
        if nodes.len() > MOST {
            return Err("names more than 16 servers; a few of them know the others");
        }
        let (servers, database) = match kind {
            Kind::One => {
                let node = nodes.pop().filter(|_| nodes.is_empty()).ok_or(
                    "names several servers; expected one, or `redis-sentinel://` or `redis-cluster://` in front",
                )?;
                (Servers::One(node), database(path)?)
            }
            Kind::Sentinels => {
                let (master, path) = path.split_once('/').unwrap_or((path, ""));
                if !is_name(master) {
                    return Err("expected the master's name behind the sentinels, such as \
                                `redis-sentinel://HOST:PORT,HOST:PORT/mymaster`");
                }
                (Servers::Sentinels { nodes, master: master.to_owned() }, database(path)?)
            }
            Kind::Cluster if matches!(path, "" | "0") => (Servers::Cluster(nodes), 0),
            Kind::Cluster => return Err("takes nothing behind the nodes: a cluster has one database"),
        };
        Ok(Self { servers, database, is_tls })
    }
}

impl Node {
    fn parse(text: &str, port: u16) -> Option<Self> {
        let (host, rest) = if let Some(rest) = text.strip_prefix('[') {
            let (host, rest) = rest.split_once(']')?;
            host.parse::<std::net::Ipv6Addr>().ok()?;
            (host, rest)
        } else {
            let (host, rest) = text.split_at(text.find(':').unwrap_or(text.len()));
            if !is_name(host) {
                return None;
            }
            (host, rest)
        };
        let port = match rest.strip_prefix(':') {
            Some(digits) => {
                number(digits).and_then(|port| u16::try_from(port).ok()).filter(|port| *port > 0)?
            }
            None if rest.is_empty() => port,
            None => return None,
        };
        Some(Self { host: host.to_ascii_lowercase(), port })
    }
}

/// A host's name, or a master's.
fn is_name(text: &str) -> bool {
    let is_of_name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
    !text.is_empty() && text.bytes().all(is_of_name)
}

fn database(path: &str) -> Result<u32, &'static str> {
    const EXPECTED: &str =
        "expected nothing behind the host, or the number of a database, such as `redis://HOST:PORT/0`";
    if path.is_empty() { Ok(0) } else { number(path).ok_or(EXPECTED) }
}

fn number(digits: &str) -> Option<u32> {
    digits.bytes().all(|digit| digit.is_ascii_digit()).then(|| digits.parse().ok())?
}

impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, port } = self;
        if host.contains(':') { write!(f, "[{host}]:{port}") } else { write!(f, "{host}:{port}") }
    }
}

impl fmt::Display for Address {
    /// As a URL, always in the same spelling.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (kind, nodes) = match &self.servers {
            Servers::One(node) => (Kind::One, std::slice::from_ref(node)),
            Servers::Sentinels { nodes, .. } => (Kind::Sentinels, &nodes[..]),
            Servers::Cluster(nodes) => (Kind::Cluster, &nodes[..]),
        };
        let scheme = SCHEMES.iter().find(|(_, known, is_tls)| *known == kind && *is_tls == self.is_tls);
        f.write_str(scheme.map_or("redis", |(scheme, ..)| scheme))?;
        for (index, node) in nodes.iter().enumerate() {
            write!(f, "{}{node}", if index == 0 { "://" } else { "," })?;
        }
        if let Servers::Sentinels { master, .. } = &self.servers {
            write!(f, "/{master}")?;
        }
        if self.database > 0 { write!(f, "/{}", self.database) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form() {
        for (url, shown) in [
            ("redis://redis", "redis://redis:6379"),
            ("redis://redis/", "redis://redis:6379"),
            ("redis://Redis.Example:7000/0", "redis://redis.example:7000"),
            ("rediss://192.0.2.1:1/15", "rediss://192.0.2.1:1/15"),
            ("redis://[2001:DB8::1]", "redis://[2001:db8::1]:6379"),
            ("redis://[::1]:65535/3", "redis://[::1]:65535/3"),
            ("redis-sentinel://a,b:1/mymaster", "redis-sentinel://a:26379,b:1/mymaster"),
            ("rediss-sentinel://a/my_master-1.x/2", "rediss-sentinel://a:26379/my_master-1.x/2"),
            ("redis-cluster://a,b:7001,c", "redis-cluster://a:6379,b:7001,c:6379"),
            ("rediss-cluster://a/0", "rediss-cluster://a:6379"),
        ] {
            let address = Address::parse(url).expect(url);
            assert_eq!(address.to_string(), shown);
            assert_eq!(Address::parse(shown), Ok(address));
        }
        let master = Address::parse("rediss-sentinel://a,b/m/2").expect("good");
        let node = |host: &str| Node { host: host.into(), port: 26_379 };
        let servers = Servers::Sentinels { nodes: vec![node("a"), node("b")], master: "m".into() };
        assert_eq!(master, Address { servers, database: 2, is_tls: true });
    }

    #[test]
    fn what_is_none_is_refused_with_what_to_write() {
        for (urls, reason) in [
            (
                &[
                    "",
                    "redis",
                    "redis:6379",
                    "http://redis",
                    "REDIS://redis",
                    "unix:///run/redis",
                    "redis+unix:///s",
                ][..],
                "expected where",
            ),
            (&["redis://u:p@h", "rediss://:p@h:1/0", "redis-cluster://a,u@b"], "has a login in it"),
            (&["redis://h?db=1", "redis://h/1#x"], "takes nothing behind a `?`"),
            (
                &[
                    "redis://",
                    "redis:///1",
                    "redis://h:",
                    "redis://h:0",
                    "redis://h:65536",
                    "redis://h:1:2",
                    "redis://h:+1",
                    "redis://a b",
                    "redis://::1",
                    "redis://[::1",
                    "redis://[::1]x",
                    "redis://[h]:1",
                    "redis-cluster://a,,b",
                    "redis://%2f",
                    "redis://h\n",
                ],
                "expected hosts as",
            ),
            (&["redis://a,b"], "names several servers"),
            (
                &["redis://h/x", "redis://h/-1", "redis://h/0/1", "redis-sentinel://h/m/x"],
                "expected nothing behind",
            ),
            (
                &["redis-sentinel://h", "redis-sentinel://h/", "redis-sentinel://h/a b"],
                "expected the master's name",
            ),
            (&["redis-cluster://h/1"], "takes nothing behind the nodes"),
        ] {
            for url in urls {
                let refused = Address::parse(url).expect_err(url);
                assert!(refused.starts_with(reason), "{url}: {refused}");
            }
        }
        let many = |count| format!("redis-cluster://{}", vec!["h"; count].join(","));
        assert!(Address::parse(&many(MOST)).is_ok());
        assert!(Address::parse(&many(MOST + 1)).is_err());
    }
}
