//! Limitador's library behind Envoy's rate limit service: `limitador-service QUOTA WINDOW-IN-SECONDS [REDIS-URL]`.
//!
//! It listens on a free port of 127.0.0.1 and says which on its first line. Every descriptor has one counter for each client,
//! by `remote_address`; in memory or, with a URL, in Redis. The library is asked as Limitador's own server asks it: one check
//! and update for a request, without the header fields that it could answer with.

use std::collections::HashMap;
use std::error::Error;

use envoy_types::pb::envoy::service::ratelimit::v3::rate_limit_response::Code;
use envoy_types::pb::envoy::service::ratelimit::v3::rate_limit_service_server::{
    RateLimitService, RateLimitServiceServer,
};
use envoy_types::pb::envoy::service::ratelimit::v3::{RateLimitRequest, RateLimitResponse};
use limitador::limit::{Context, Expression, Limit, Namespace};
use limitador::storage::AsyncStorage;
use limitador::storage::redis::AsyncRedisStorage;
use limitador::{AsyncRateLimiter, AsyncRateLimiterBuilder, RateLimiter};
use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Request, Response, Status};

const DOMAIN: &str = "bench";
/// Room for the clients of a run.
const CLIENTS: u64 = 100_000;

enum Service {
    InMemory(RateLimiter),
    InRedis(AsyncRateLimiter),
}

#[tonic::async_trait]
impl RateLimitService for Service {
    async fn should_rate_limit(
        &self,
        request: Request<RateLimitRequest>,
    ) -> Result<Response<RateLimitResponse>, Status> {
        let RateLimitRequest { domain, descriptors, hits_addend } = request.into_inner();
        let namespace = Namespace::from(domain);
        let values: Vec<HashMap<String, String>> = descriptors
            .into_iter()
            .map(|one| one.entries.into_iter().map(|entry| (entry.key, entry.value)).collect())
            .collect();
        let mut context = Context::default();
        context.list_binding("descriptors".to_owned(), values);
        let hits = u64::from(hits_addend.max(1));
        let checked = match self {
            Self::InMemory(limiter) => limiter.check_rate_limited_and_update(&namespace, &context, hits),
            Self::InRedis(limiter) => limiter.check_rate_limited_and_update(&namespace, &context, hits).await,
        };
        let limited = checked.map_err(|error| Status::unavailable(error.to_string()))?.limited;
        let code = if limited { Code::OverLimit } else { Code::Ok };
        Ok(Response::new(RateLimitResponse { overall_code: code.into(), ..RateLimitResponse::default() }))
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (quota, seconds, redis) = match &arguments[..] {
        [quota, seconds] => (quota, seconds, None),
        [quota, seconds, redis] => (quota, seconds, Some(redis)),
        _ => return Err("usage: limitador-service QUOTA WINDOW-IN-SECONDS [REDIS-URL]".into()),
    };
    let by = Expression::parse("descriptors[0].remote_address")?;
    let limit = Limit::new(DOMAIN, quota.parse()?, seconds.parse()?, [], [by]);
    let service = if let Some(url) = redis {
        let storage = AsyncRedisStorage::new(url).await?;
        let limiter =
            AsyncRateLimiterBuilder::new(AsyncStorage::with_counter_storage(Box::new(storage))).build();
        limiter.add_limit(limit);
        Service::InRedis(limiter)
    } else {
        let limiter = RateLimiter::new(CLIENTS);
        limiter.add_limit(limit);
        Service::InMemory(limiter)
    };
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("{}", listener.local_addr()?.port());
    let server = tonic::transport::Server::builder()
        .tcp_nodelay(true)
        .add_service(RateLimitServiceServer::new(service));
    server.serve_with_incoming(TcpListenerStream::new(listener)).await?;
    Ok(())
}
