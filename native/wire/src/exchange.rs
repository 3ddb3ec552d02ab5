//! Commands of our own, before the caller's: each waits for its reply.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, timeout_at};
use tollgate::redis::{Failure, MAX_ANSWER, Reply, RespError, read_reply};

use crate::Trouble;
use crate::stream::Bytes;

/// Sends commands that have `count` replies, waits for them until then, and has them read.
pub(crate) async fn exchange<T>(
    stream: &mut dyn Bytes,
    commands: &[u8],
    count: usize,
    until: Instant,
    read: impl FnOnce(&[Reply]) -> Result<T, Trouble>,
) -> Result<T, Trouble> {
    let mut received = Vec::new();
    let talk = async {
        stream.write_all(commands).await?;
        stream.flush().await?;
        while !is_whole(&received, count)? {
            if stream.read_buf(&mut received).await? == 0 {
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            }
        }
        std::io::Result::Ok(())
    };
    match timeout_at(until, talk).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => return Err(Trouble::new(kind(&error), format!("it was asked, and then: {error}"))),
        Err(_) => return Err(Trouble::new(Failure::Connection, "it does not answer in time")),
    }
    let mut rest = &received[..];
    let replies: Result<Vec<Reply>, RespError> = (0..count).map(|_| read_reply(&mut rest)).collect();
    match replies {
        Ok(replies) if rest.is_empty() => read(&replies),
        _ => Err(Trouble::new(Failure::Reply, "what it answers is not Redis' protocol")),
    }
}

/// Whether so many replies are there.
fn is_whole(mut received: &[u8], count: usize) -> std::io::Result<bool> {
    let size = received.len();
    for _ in 0..count {
        match read_reply(&mut received) {
            Ok(_) => {}
            Err(RespError::CutShort) if size <= MAX_ANSWER => return Ok(false),
            Err(_) => {
                return Err(std::io::Error::new(
                    std::io::ErrorKind::InvalidData,
                    "it speaks another protocol",
                ));
            }
        }
    }
    Ok(true)
}

fn kind(error: &std::io::Error) -> Failure {
    if error.kind() == std::io::ErrorKind::InvalidData { Failure::Reply } else { Failure::Connection }
}
