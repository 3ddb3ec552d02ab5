// Limiters of Express: `node server.js PORT WORKERS REDIS-URL JOB`, where JOB is {"window": SECONDS, "quotas": {NAME: QUOTA, …}}.
//
// Paths: `/LIMITER/NAME`, and without a limit `/express/none`.
const cluster = require('node:cluster');

const express = require('express');
const { rateLimit } = require('express-rate-limit');
const { RedisStore } = require('rate-limit-redis');
const { RateLimiterMemory, RateLimiterRedis } = require('rate-limiter-flexible');
const { createClient } = require('redis');

const [port, workers, url, job] = process.argv.slice(2);
const { window, quotas } = JSON.parse(job);

const answer = (_request, response) => response.json({});

function expressRateLimit(quota, store) {
  return rateLimit({
    windowMs: window * 1000, limit: quota, standardHeaders: 'draft-8', legacyHeaders: false, ...(store && { store }),
  });
}

// As its documentation makes a middleware of it, with the field that it recommends.
function flexible(limiter) {
  return (request, response, next) => {
    limiter.consume(request.ip).then(() => next()).catch((denied) => {
      if (denied instanceof Error) return next(denied);
      response.set('Retry-After', String(denied.msBeforeNext / 1000)).status(429).json({});
    });
  };
}

async function serve() {
  const client = createClient({ url });
  await client.connect();
  const app = express();
  // Behind one proxy, which says who its clients are.
  app.set('trust proxy', 1);
  app.get('/express/none', answer);
  for (const [name, quota] of Object.entries(quotas)) {
    const sendCommand = (...command) => client.sendCommand(command);
    const limits = { points: quota, duration: window };
    const limiters = {
      'express-memory': expressRateLimit(quota),
      'express-redis': expressRateLimit(quota, new RedisStore({ sendCommand, prefix: `express-${name}:` })),
      'flexible-memory': flexible(new RateLimiterMemory({ ...limits, keyPrefix: name })),
      'flexible-redis': flexible(new RateLimiterRedis({
        ...limits, storeClient: client, useRedisPackage: true, keyPrefix: `flexible-${name}`,
      })),
    };
    for (const [limiter, middleware] of Object.entries(limiters)) app.get(`/${limiter}/${name}`, middleware, answer);
  }
  app.listen(Number(port), '127.0.0.1');
}

if (Number(workers) > 1 && cluster.isPrimary) {
  for (let number = 0; number < Number(workers); number += 1) cluster.fork();
} else {
  serve();
}
