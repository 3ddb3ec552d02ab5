//! Which server is the right one: sentinels know the master, a cluster's nodes know who has a slot.
//!
//! All that are named are asked at once, so that one that is down costs no time. One that has been cut off may know the past only, so
//! what most of them say counts.

use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};
use tollgate::redis::{Failure, Node, Reply, put_command};

use crate::exchange::exchange;
use crate::target::Target;
use crate::{Trouble, stream};

/// So long the others may take longer than the first one.
const GRACE: Duration = Duration::from_millis(100);

/// The longest name that a host can have, in bytes.
const MOST: usize = 253;

/// Asks sentinels for the master.
pub(crate) async fn master(
    target: &Target,
    nodes: &[Node],
    master: &str,
    until: Instant,
) -> Result<Node, Trouble> {
    let mut question = Vec::new();
    put_command(&mut question, &[b"SENTINEL", b"get-master-addr-by-name", master.as_bytes()]);
    let master = master.to_owned();
    let read = move |reply: &Reply, _: &Node| {
        read_master(reply).ok_or_else(|| {
            Trouble::new(Failure::NoCluster, format!("the sentinels know no master with the name {master}"))
        })
    };
    of_most(target, nodes, &question, read, until).await
}

/// Asks a cluster's nodes for the one that has the slot.
pub(crate) async fn owner(target: &Target, nodes: &[Node], until: Instant) -> Result<Node, Trouble> {
    let mut question = Vec::new();
    put_command(&mut question, &[b"CLUSTER", b"SLOTS"]);
    let slot = target.inner().slot;
    let read = move |reply: &Reply, asked: &Node| {
        read_owner(reply, slot, asked).ok_or_else(|| {
            Trouble::new(Failure::Cluster, format!("in the cluster nobody has the slot {slot}"))
        })
    };
    of_most(target, nodes, &question, read, until).await
}

/// `[host, port]`, or nothing.
fn read_master(reply: &Reply) -> Option<Node> {
    let Reply::List(Some(parts)) = reply else { return None };
    let [Reply::Bytes(Some(host)), Reply::Bytes(Some(port))] = &parts[..] else { return None };
    Some(Node { host: name(host)?, port: std::str::from_utf8(port).ok()?.parse().ok()? })
}

/// Lists of `[first slot, last slot, [host, port, …], replicas…]`. A node that does not know its own host is the one that was asked.
fn read_owner(reply: &Reply, slot: u16, asked: &Node) -> Option<Node> {
    let Reply::List(Some(ranges)) = reply else { return None };
    ranges.iter().find_map(|range| {
        let Reply::List(Some(range)) = range else { return None };
        let [Reply::Number(first), Reply::Number(last), Reply::List(Some(node)), ..] = &range[..] else {
            return None;
        };
        let [host, Reply::Number(port), ..] = &node[..] else { return None };
        let host = match host {
            _ if !(*first..=*last).contains(&i64::from(slot)) => return None,
            Reply::Bytes(None | Some(b"")) => asked.host.clone(),
            Reply::Bytes(Some(host)) => name(host)?,
            _ => return None,
        };
        Some(Node { host, port: u16::try_from(*port).ok()? })
    })
}

/// A host's name or address. It comes into the log, so nothing else is taken for one: no line break, nothing endless.
fn name(bytes: &[u8]) -> Option<String> {
    let is_one = (1..=MOST).contains(&bytes.len()) && bytes.iter().all(u8::is_ascii_graphic);
    is_one.then(|| String::from_utf8_lossy(bytes).into_owned())
}

/// Puts the question to all, and takes what most of those say who answer.
async fn of_most(
    target: &Target,
    nodes: &[Node],
    question: &[u8],
    read: impl Fn(&Reply, &Node) -> Result<Node, Trouble> + Clone + Send + Sync + 'static,
    until: Instant,
) -> Result<Node, Trouble> {
    let mut asked = JoinSet::new();
    for node in nodes {
        let (target, node, question, read) = (target.clone(), node.clone(), question.to_vec(), read.clone());
        asked.spawn(async move { ask(&target, &node, &question, read, until).await });
    }
    let mut said: Vec<(Node, usize)> = Vec::new();
    let mut trouble = Trouble::new(Failure::Connection, "nobody answers in time");
    let mut until = until;
    while let Ok(Some(answer)) = timeout_at(until, asked.join_next()).await {
        match answer {
            Ok(Ok(node)) => {
                until = until.min(Instant::now() + GRACE);
                match said.iter_mut().find(|(known, _)| *known == node) {
                    Some((_, count)) => *count += 1,
                    None => said.push((node, 1)),
                }
                if said.iter().any(|(_, count)| *count > nodes.len() / 2) {
                    break;
                }
            }
            Ok(Err(found)) => trouble = found,
            // It was cut short, with everything else here.
            Err(_) => {}
        }
    }
    // Of equals the first.
    let most = said.into_iter().rev().max_by_key(|(_, count)| *count);
    most.map(|(node, _)| node).ok_or(trouble)
}

/// Puts the question to one, and logs in if that is wanted.
async fn ask(
    target: &Target,
    node: &Node,
    question: &[u8],
    read: impl Fn(&Reply, &Node) -> Result<Node, Trouble> + Send + Sync,
    until: Instant,
) -> Result<Node, Trouble> {
    let Trouble { failure, reason } = match try_to_ask(target, node, question, &read, until).await {
        Ok(found) => return Ok(found),
        Err(trouble) => trouble,
    };
    // A connection's trouble names the node already.
    let name = node.to_string();
    let reason = if reason.starts_with(&name) { reason } else { format!("{name}: {reason}") };
    Err(Trouble { failure, reason })
}

async fn try_to_ask(
    target: &Target,
    node: &Node,
    question: &[u8],
    read: &(impl Fn(&Reply, &Node) -> Result<Node, Trouble> + Send + Sync),
    until: Instant,
) -> Result<Node, Trouble> {
    let login = &target.inner().login;
    let mut stream = stream::connect(node, target.inner().tls.as_ref(), until).await?;
    let judged = |reply: &Reply| match reply {
        Reply::Error(message) => Err(Trouble::refused(message)),
        reply => read(reply, node),
    };
    // Sentinels seldom want one, and do not know the users of Redis.
    let first = exchange(stream.bytes(), question, 1, until, |replies| judged(&replies[0])).await;
    match first {
        Err(trouble) if trouble.failure == Failure::Auth && !login.is_empty() => {
            let both = [login, question].concat();
            exchange(stream.bytes(), &both, 2, until, |replies| match &replies[0] {
                Reply::Error(message) => Err(Trouble::refused(message)),
                _ => judged(&replies[1]),
            })
            .await
        }
        first => first,
    }
}

#[cfg(test)]
mod tests {
    use tollgate::redis::read_reply;

    use super::*;

    fn owner_of(slot: u16, mut slots: &[u8]) -> Option<String> {
        let reply = read_reply(&mut slots).expect("a reply");
        read_owner(&reply, slot, &Node { host: "asked".into(), port: 1 }).map(|node| node.to_string())
    }

    #[test]
    fn the_owner_of_a_slot() {
        // As Redis 7 says it: with the node's id, and what else it is called.
        let slots = b"*3\r\n\
            *4\r\n:0\r\n:99\r\n\
            *4\r\n$9\r\n127.0.0.1\r\n:7000\r\n$2\r\nid\r\n*2\r\n$8\r\nhostname\r\n$1\r\nh\r\n\
            *4\r\n$9\r\n127.0.0.2\r\n:7000\r\n$2\r\nid\r\n*0\r\n\
            *3\r\n:100\r\n:100\r\n*4\r\n$-1\r\n:7001\r\n$2\r\nid\r\n*0\r\n\
            *3\r\n:101\r\n:200\r\n*3\r\n$3\r\n::1\r\n:7002\r\n$2\r\nid\r\n";
        for (slot, node) in [
            (0, Some("127.0.0.1:7000")),
            (99, Some("127.0.0.1:7000")),
            (100, Some("asked:7001")),
            (200, Some("[::1]:7002")),
            (201, None),
        ] {
            assert_eq!(owner_of(slot, slots).as_deref(), node, "{slot}");
        }
    }

    #[test]
    fn what_says_nothing_of_a_slot() {
        for slots in [
            &b"*0\r\n"[..],
            b"*-1\r\n",
            b"+OK\r\n",
            b"*1\r\n:1\r\n",
            b"*1\r\n*2\r\n:0\r\n:9\r\n",
            b"*1\r\n*3\r\n:0\r\n:9\r\n*0\r\n",
            b"*1\r\n*3\r\n:0\r\n:9\r\n*2\r\n$1\r\nh\r\n:65536\r\n",
            b"*1\r\n*3\r\n:0\r\n:9\r\n*2\r\n$1\r\n\xff\r\n:1\r\n",
            b"*1\r\n*3\r\n:0\r\n:9\r\n*2\r\n$3\r\nh\nh\r\n:1\r\n",
        ] {
            assert_eq!(owner_of(5, slots), None, "{}", String::from_utf8_lossy(slots));
        }
    }

    #[test]
    fn a_master() {
        for (mut reply, node) in [
            (&b"*2\r\n$1\r\nh\r\n$4\r\n6379\r\n"[..], Some("h:6379")),
            (b"*-1\r\n", None),
            (b"*2\r\n$1\r\nh\r\n$1\r\nx\r\n", None),
            (b"*2\r\n$5\r\nh\x1b[2J\r\n$4\r\n6379\r\n", None),
            (b"*2\r\n$0\r\n\r\n$4\r\n6379\r\n", None),
            (b"*1\r\n$1\r\nh\r\n", None),
            (b"$1\r\nh\r\n", None),
        ] {
            let reply = read_reply(&mut reply).expect("a reply");
            assert_eq!(read_master(&reply).map(|node| node.to_string()).as_deref(), node);
        }
    }
}
