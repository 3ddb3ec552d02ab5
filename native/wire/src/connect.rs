//! From a target to a connection on which the caller can speak.

use tokio::time::Instant;
use tollgate::redis::{Reply, Servers};

use crate::exchange::exchange;
use crate::stream::{self, Stream};
use crate::target::Target;
use crate::{Trouble, find};

/// Finds the server, connects, and chooses the database.
pub(crate) async fn connect(target: &Target, until: Instant) -> Result<Stream, Trouble> {
    let node = match &target.inner().address.servers {
        Servers::One(node) => node.clone(),
        Servers::Sentinels { nodes, master } => find::master(target, nodes, master, until).await?,
        Servers::Cluster(nodes) => find::owner(target, nodes, until).await?,
    };
    let mut stream = stream::connect(&node, target.inner().tls.as_ref(), until).await?;
    let (greeting, count) = target.inner().greeting();
    if count > 0 {
        exchange(stream.bytes(), &greeting, count, until, |replies| {
            replies.iter().try_for_each(|reply| match reply {
                Reply::Error(message) => Err(Trouble::refused(message)),
                _ => Ok(()),
            })
        })
        .await?;
    }
    Ok(stream)
}
