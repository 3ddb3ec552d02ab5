//! nginx: `limit_req_zone` and `limit_req`.

use std::collections::BTreeMap;

use super::Imported;
use super::directives::{Directive, read};
use super::document::Document;
use super::nginx_terms::{Place, hosts, key, location};

/// The limits of an nginx configuration, as a policy.
pub(super) fn import(text: &str) -> Result<Imported, String> {
    let directives = read(text)?;
    let mut import = Import::default();
    import.zones(&directives);
    if import.zones.is_empty() {
        return Err("has no `limit_req_zone`: nothing to import".into());
    }
    import.walk(&directives, &Place::default(), &[], Settings::default());
    let mut scopes: Vec<(String, Document)> = Vec::new();
    let used = std::mem::take(&mut import.used);
    for used in &used {
        let name = Import::scope_name(used, &scopes);
        if let Some(scope) = import.scope(used) {
            scopes.push((name, scope));
        }
    }
    if scopes.is_empty() {
        import.notes.insert(0, "no `limit_req` could be read".into());
        return Err(import.notes.join("; "));
    }
    let Import { mut notes, zones, status, .. } = import;
    notes.push(match status.as_deref() {
        Some("429") => "denials keep the status 429, and now have a true `Retry-After`".into(),
        status => format!(
            "denials have the status 429 instead of nginx' {}, and a `Retry-After`; to keep it, write `\"response\": {{ \"status\": {0} }}`",
            status.unwrap_or("503")
        ),
    });
    notes.push(
        "nginx counts at most `burst` requests above the rate and makes them wait; Tollgate makes nobody wait: a token bucket with \
         the same burst lets them through at once (as nginx does with `nodelay`), and denies the next"
            .into(),
    );
    let megabytes: u64 = zones.values().map(|zone| zone.megabytes).sum();
    let capacity = (megabytes * 16_000).clamp(65_536, 1 << 24);
    let store = Document::object([("capacity", Document::Number(capacity))]);
    let policy = Document::policy([("scopes", Document::Object(scopes)), ("store", store)]);
    Ok(Imported { policy, notes })
}

#[derive(Debug)]
struct Zone {
    key: String,
    rate: String,
    megabytes: u64,
}

/// What is inherited besides limits.
#[derive(Clone, Copy, Debug, Default)]
struct Settings {
    is_dry_run: bool,
}

/// A `limit_req` in force.
#[derive(Debug, PartialEq, Eq)]
struct Used {
    zone: String,
    burst: u32,
    is_dry_run: bool,
    place: Place,
    /// Locations inside that have limits of their own instead.
    but: Vec<String>,
}

#[derive(Default)]
struct Import {
    zones: BTreeMap<String, Zone>,
    used: Vec<Used>,
    notes: Vec<String>,
    status: Option<String>,
}

impl Import {
    fn zones(&mut self, directives: &[Directive]) {
        for directive in directives {
            match directive.name.as_str() {
                "limit_req_zone" => self.zone(directive),
                "limit_req_status" => self.status = directive.arguments.first().cloned(),
                "include" => self.notes.push(format!(
                    "`include {}` is not followed: `nginx -T` writes all files as one",
                    directive.arguments.join(" ")
                )),
                _ => {}
            }
            self.zones(&directive.block);
        }
    }

    fn zone(&mut self, directive: &Directive) {
        let line = directive.arguments.join(" ");
        let value = |name: &str| directive.arguments.iter().find_map(|argument| argument.strip_prefix(name));
        let (Some(key), Some(zone), Some(rate)) =
            (directive.arguments.first(), value("zone="), value("rate="))
        else {
            return self.notes.push(format!("`limit_req_zone {line}` could not be read"));
        };
        let rate = match (rate.strip_suffix("r/s"), rate.strip_suffix("r/m")) {
            (Some(count), _) if count.parse::<u32>().is_ok_and(|count| count > 0) => format!("{count}/s"),
            (_, Some(count)) if count.parse::<u32>().is_ok_and(|count| count > 0) => format!("{count}/min"),
            _ => return self.notes.push(format!("`limit_req_zone {line}` has no rate of the form `10r/s`")),
        };
        let (name, size) = zone.split_once(':').unwrap_or((zone, ""));
        let megabytes = size.trim_end_matches(['m', 'M']).parse().unwrap_or(1);
        self.zones.insert(name.to_owned(), Zone { key: key.clone(), rate, megabytes });
    }

    /// Finds what is in force in each place. A level with limits of its own inherits none.
    fn walk(
        &mut self,
        directives: &[Directive],
        place: &Place,
        inherited: &[&Directive],
        settings: Settings,
    ) {
        let own: Vec<&Directive> =
            directives.iter().filter(|directive| directive.name == "limit_req").collect();
        let limits = if own.is_empty() { inherited } else { &own };
        let is_dry_run = directives.iter().rfind(|directive| directive.name == "limit_req_dry_run");
        let settings = match is_dry_run {
            Some(directive) => {
                Settings { is_dry_run: directive.arguments.first().is_some_and(|value| value == "on") }
            }
            None => settings,
        };
        let mut but = Vec::new();
        for directive in directives {
            match directive.name.as_str() {
                "server" => {
                    let inner = Place { hosts: hosts(&directive.block), ..place.clone() };
                    self.walk(&directive.block, &inner, limits, settings);
                }
                "location" => {
                    let inner = Place { hosts: place.hosts.clone(), ..location(&directive.arguments) };
                    if has_limits(&directive.block) {
                        but.extend(inner.paths.iter().cloned());
                        self.walk(&directive.block, &inner, limits, settings);
                    }
                }
                _ => self.walk(&directive.block, place, limits, settings),
            }
        }
        // Those of the outermost level are in force in its servers.
        let has_servers =
            directives.iter().any(|directive| directive.name == "server" || directive.name == "http");
        if !has_servers && (!own.is_empty() || is_server(directives)) {
            for limit in limits {
                self.use_limit(limit, place, &but, settings);
            }
        }
    }

    fn use_limit(&mut self, limit: &Directive, place: &Place, but: &[String], settings: Settings) {
        let value = |name: &str| limit.arguments.iter().find_map(|argument| argument.strip_prefix(name));
        let Some(zone) = value("zone=") else {
            return self.notes.push(format!("`limit_req {}` names no zone", limit.arguments.join(" ")));
        };
        let burst = value("burst=").and_then(|burst| burst.parse().ok()).unwrap_or(0);
        let used = Used {
            zone: zone.to_owned(),
            burst,
            is_dry_run: settings.is_dry_run,
            place: place.clone(),
            but: if place.paths.is_empty() { but.to_vec() } else { Vec::new() },
        };
        if !self.used.contains(&used) {
            if self.used.iter().any(|other| other.zone == used.zone) {
                self.notes.push(format!(
                    "the zone `{zone}` is used in several places: nginx counts all of them together, and this policy each by itself"
                ));
            }
            self.used.push(used);
        }
    }

    fn scope_name(used: &Used, taken: &[(String, Document)]) -> String {
        let valid = |c: char| if c.is_ascii_alphanumeric() || c == '_' || c == '-' { c } else { '_' };
        let plain: String = used.zone.chars().map(valid).take(60).collect();
        let is_free = |name: &String| !taken.iter().any(|(known, _)| known == name);
        let numbered = (2..1_000).map(|number| format!("{plain}-{number}"));
        std::iter::once(plain.clone()).chain(numbered).find(is_free).unwrap_or_default()
    }

    fn scope(&mut self, used: &Used) -> Option<Document> {
        let Some(zone) = self.zones.get(&used.zone) else {
            self.notes.push(format!("`limit_req zone={}` names a zone that is not there", used.zone));
            return None;
        };
        let (key, note) = key(&zone.key);
        let rate = zone.rate.clone();
        self.notes.extend(note.map(|note| format!("zone `{}`: {note}", used.zone)));
        let key = key?;
        let burst = u64::from(used.burst).saturating_add(1).min(u64::from(u32::MAX));
        let mut fields = vec![
            ("rate", Document::text(rate)),
            ("algorithm", Document::text("token_bucket")),
            ("burst", Document::Number(burst)),
            ("key", key),
        ];
        let mut matches = Vec::new();
        if !used.place.hosts.is_empty() {
            matches.push(("host", Document::texts(used.place.hosts.clone())));
        }
        if !used.place.paths.is_empty() {
            matches.push(("path", Document::texts(used.place.paths.clone())));
        }
        if !used.but.is_empty() {
            let but = Document::object([("path", Document::texts(used.but.clone()))]);
            matches.push(("not", but));
        }
        if let Some(location) = &used.place.unclear {
            self.notes.push(format!(
                "the location `{location}` is a regular expression: write its paths as patterns in place of `/write-the-paths-of-…`, and \
                 `\"mode\": \"shadow\"`"
            ));
            matches.push((
                "path",
                Document::text(format!("/write-the-paths-of-{}/**", Self::scope_name(used, &[]))),
            ));
            fields.push(("mode", Document::text("off")));
        } else if used.is_dry_run {
            fields.push(("mode", Document::text("shadow")));
        }
        if !matches.is_empty() {
            fields.push(("match", Document::object(matches)));
        }
        Some(Document::object(fields))
    }
}

fn is_server(directives: &[Directive]) -> bool {
    directives
        .iter()
        .any(|directive| ["listen", "server_name", "location"].contains(&directive.name.as_str()))
}

fn has_limits(block: &[Directive]) -> bool {
    block.iter().any(|directive| directive.name == "limit_req" || has_limits(&directive.block))
}

#[cfg(test)]
mod tests {
    use super::*;
    use tollgate::config::Config;

    fn imported(conf: &str) -> (String, Vec<String>) {
        let Imported { policy, notes } = import(conf).expect(conf);
        let written = policy.to_string();
        Config::parse(written.as_bytes()).unwrap_or_else(|error| panic!("{error}: {written}"));
        (written, notes)
    }

    #[test]
    fn limits_are_scopes_where_they_are_in_force() {
        let (written, notes) = imported(
            r#"
http {
    limit_req_zone $binary_remote_addr zone=one:10m rate=10r/s;   # a comment
    limit_req_zone "$binary_remote_addr$http_x_api_key" zone=login:1m rate=5r/m;
    limit_req_zone $server_name zone=all:1m rate=100r/s;
    limit_req_status 429;
    limit_req zone=all burst=200 nodelay;
    server {
        server_name api.example.com *.example.org;
        limit_req zone=one burst=20 nodelay;
        location / { proxy_pass http://app; }
        location = /login { limit_req zone=login; limit_req_dry_run on; }
        location /api/ { limit_req zone=one burst=5; }
        location ~ \.(jpg|png)$ { limit_req zone=one; }
        location ~* ^/x/[0-9]+$ { limit_req zone=one; }
    }
    server { listen 81; location /a { return 200; } }
}
"#,
        );
        let expected = r#"{
  "$schema": "policy.schema.json",
  "scopes": {
    "login": { "rate": "5/min", "algorithm": "token_bucket", "burst": 1, "key": { "all": ["address", { "header": "x-api-key" }] }, "mode": "shadow", "match": { "host": ["api.example.com", "*.example.org"], "path": ["/login"] } },
    "one": { "rate": "10/s", "algorithm": "token_bucket", "burst": 6, "key": "address", "match": { "host": ["api.example.com", "*.example.org"], "path": ["/api/**"] } },
    "one-2": { "rate": "10/s", "algorithm": "token_bucket", "burst": 1, "key": "address", "match": { "host": ["api.example.com", "*.example.org"], "path": ["/**/*.{jpg,png}"] } },
    "one-3": { "rate": "10/s", "algorithm": "token_bucket", "burst": 1, "key": "address", "mode": "off", "match": { "host": ["api.example.com", "*.example.org"], "path": "/write-the-paths-of-one/**" } },
    "one-4": { "rate": "10/s", "algorithm": "token_bucket", "burst": 21, "key": "address", "match": { "host": ["api.example.com", "*.example.org"], "not": { "path": ["/login", "/api/**", "/**/*.{jpg,png}"] } } },
    "all": { "rate": "100/s", "algorithm": "token_bucket", "burst": 201, "key": "global" }
  },
  "store": {
    "capacity": 192000
  }
}"#;
        assert_eq!(written, expected);
        for note in [
            "used in several places",
            "`~* ^/x/[0-9]+$` is a regular expression",
            "keep the status 429",
            "makes nobody wait",
        ] {
            assert!(notes.iter().any(|known| known.contains(note)), "{note}: {notes:#?}");
        }
    }

    #[test]
    fn what_cannot_be_known_is_said() {
        let (written, notes) = imported(
            "include conf.d/*.conf; limit_req_zone $limited zone=a:1m rate=1r/s; limit_req_zone $http_authorization zone=b:1m rate=1r/s;
             limit_req_zone $arg_key zone=c rate=0r/s; server { limit_req zone=a; limit_req zone=b; limit_req zone=c; limit_req burst=1; }",
        );
        assert!(
            written.contains(
                r#""b": { "rate": "1/s", "algorithm": "token_bucket", "burst": 1, "key": "credential" }"#
            ),
            "{written}"
        );
        for note in [
            "`include conf.d/*.conf` is not followed",
            "zone `a`: is left out: what `$limited` is",
            "`$http_authorization` is taken for the credential",
            "has no rate of the form",
            "names a zone that is not there",
            "names no zone",
            "instead of nginx' 503",
        ] {
            assert!(notes.iter().any(|known| known.contains(note)), "{note}: {notes:#?}");
        }
    }

    #[test]
    fn what_has_no_limits_is_refused() {
        for (conf, reason) in [
            ("http { }", "no `limit_req_zone`"),
            ("http { ", "a `{` is never closed"),
            ("limit_req_zone $x zone=a rate=1r/s", "ends within a directive"),
            ("}", "line 1: `}` closes nothing"),
            ("limit_req_zone $x zone=a rate=1r/s;", "no `limit_req` could be read"),
        ] {
            let refusal = import(conf).expect_err(conf);
            assert!(refusal.contains(reason), "{conf}: {refusal}");
        }
    }
}
