// Express, with the query parser that it had by default for ten years, and with what comes from its authors for cookies and for
// methods that are overridden. To be run: `node app.js PORT`.

const cookies = require("cookie-parser");
const express = require("express");
const override = require("method-override");

const users = JSON.parse(process.env.CORPUS_USERS);
const routes = {
  jobs: "/api/v2/jobs/",
  job: "/api/v2/jobs/:name/",
  login: "/api/auth/login",
  search: "/search/:name",
  files: "/files/*name",
  static: "/static/*name",
  public: "/public/*name",
  healthz: "/healthz",
};

function user(request) {
  const [scheme, secret] = (request.get("authorization") ?? "").split(" ");
  if (scheme.toLowerCase() === "token") return secret === users.token ? "token" : null;
  if (scheme.toLowerCase() === "basic") {
    return Buffer.from(secret ?? "", "base64").toString() === users.basic ? "basic" : null;
  }
  if (request.get("x-api-key") === users.key) return "key";
  return request.cookies.sessionid === users.session ? "session" : null;
}

const text = (value) => (value === undefined || value === null ? null : String(value));
const all = (names, get) => Object.fromEntries(names.map((name) => [name, text(get(name))]));
const told = (route, request) => ({
  route,
  method: request.method,
  path: request.path,
  host: text(request.get("host")),
  user: user(request),
  parameters: all(["ids_only", "kind", "probe"], (name) => request.query[name]),
  headers: all(["x-plan", "x-api-key"], (name) => request.get(name)),
  cookies: all(["plan"], (name) => request.cookies[name]),
  quota: all(["ratelimit-policy", "ratelimit"], (name) => request.get(name)),
});
// A header holds ASCII only.
const ascii = (json) => json.replace(/[\u007f-\uffff]/g, (c) => "\\u" + c.charCodeAt(0).toString(16).padStart(4, "0"));

const app = express();
app.set("query parser", "extended");
app.use(cookies());
app.use(override("X-HTTP-Method-Override"));
app.use(override("_method"));
for (const [name, path] of Object.entries(routes)) {
  app.all(path, (request, response) => {
    response.set("X-Understood", ascii(JSON.stringify(told(name, request)))).send("{}");
  });
}
app.use((_request, response) => response.status(404).send("{}"));
app.use((error, _request, response, _next) => response.status(error.status ?? 500).send("{}"));
app.listen(Number(process.argv[2]), "127.0.0.1");
