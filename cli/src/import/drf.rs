//! Django REST framework: `REST_FRAMEWORK`'s throttles.

use std::collections::BTreeSet;

use super::Imported;
use super::document::Document;
use super::python::{Assigned, Value, read};

/// The limits of a file of Django's settings, as a policy.
pub(super) fn import(text: &str) -> Result<Imported, String> {
    let file = read(text);
    let Some(settings @ Value::Dict(_)) = file.values.get("REST_FRAMEWORK") else {
        return Err("assigns no dictionary to REST_FRAMEWORK at its top level: nothing to import".into());
    };
    let mut import = Import { file: &file, settings, scopes: Vec::new(), notes: Vec::new() };
    for (_, line) in file.in_blocks.iter().filter(|(name, _)| name == "REST_FRAMEWORK") {
        import.notes.push(format!("line {line} changes REST_FRAMEWORK inside a block: that is not read"));
    }
    import.scopes()?;
    let credential = import.credential();
    let mut policy = Vec::new();
    if let Some(credential) = credential {
        policy.push(("client".to_owned(), Document::object([("credential", credential)])));
    }
    policy.push(("scopes".to_owned(), Document::Object(import.scopes)));
    let mut notes = import.notes;
    notes.push(
        "DRF has no ceiling: whoever makes up credentials, or has many, is bounded by one scope for each address, such as \
         `\"address\": { \"rate\": \"1200/min\", \"key\": \"address\" }`. Add one, as high as your busiest office needs"
            .into(),
    );
    Ok(Imported { policy: Document::policy(policy), notes })
}

struct Import<'a> {
    file: &'a Assigned,
    settings: &'a Value,
    scopes: Vec<(String, Document)>,
    notes: Vec<String>,
}

/// What a throttle class counts.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Throttle {
    Anon,
    User,
    Scoped,
    Own,
}

impl Import<'_> {
    fn setting(&self, name: &str) -> Option<&Value> {
        self.settings.get(name).map(|value| self.file.resolved(value))
    }

    fn scopes(&mut self) -> Result<(), String> {
        let rates = self.rates()?;
        let classes = self.classes();
        let is_on = |throttle| classes.iter().any(|(_, known)| *known == throttle);
        let mut left: BTreeSet<&str> = rates.iter().map(|(name, _)| name.as_str()).collect();
        for (throttle, name) in [(Throttle::Anon, "anon"), (Throttle::User, "user")] {
            let rate = rates.iter().find(|(known, _)| known == name);
            left.remove(name);
            match (is_on(throttle), rate) {
                (true, Some((_, rate))) => self.push(throttle, name, rate, true),
                (true, None) => {
                    self.notes
                        .push(format!("the throttle `{name}` is on and has no rate that could be read"));
                }
                (false, Some((_, rate))) => {
                    self.push(throttle, name, rate, false);
                    self.notes.push(format!(
                        "`{name}` is off: DEFAULT_THROTTLE_CLASSES has no class for it. Where views name one themselves, give \
                         the scope a `match` with their paths, and `\"mode\": \"shadow\"`"
                    ));
                }
                (false, None) => {}
            }
        }
        for (name, rate) in rates.iter().filter(|(name, _)| left.contains(name.as_str())) {
            self.push(Throttle::Scoped, name, rate, false);
            self.notes.push(format!(
                "`{name}` is off, with a path that nobody asks for: which views have it (`throttle_scope = \"{name}\"`, or a class \
                 of your own with this scope) stands in the code. Write their paths, and `\"mode\": \"shadow\"`"
            ));
        }
        for (name, _) in classes.iter().filter(|(_, throttle)| *throttle == Throttle::Own) {
            self.notes.push(format!(
                "`{name}` is a class of your own: whom and what it counts stands in its code, and is not in this policy"
            ));
        }
        if self.scopes.is_empty() {
            return Err("REST_FRAMEWORK has no throttle whose rate could be read: nothing to import".into());
        }
        if is_on(Throttle::User) || is_on(Throttle::Scoped) {
            self.notes.push(
                "DRF counts a user, Tollgate a credential: whoever has logged in twice is two clients. To count users, key by a \
                 `jwt_claim` where there is one"
                    .into(),
            );
        }
        Ok(())
    }

    /// The rates that can be read, as Tollgate writes them.
    fn rates(&mut self) -> Result<Vec<(String, String)>, String> {
        let mut rates = Vec::new();
        let pairs = match self.setting("DEFAULT_THROTTLE_RATES") {
            None => return Err("REST_FRAMEWORK has no DEFAULT_THROTTLE_RATES: nothing to import".into()),
            Some(Value::Dict(pairs)) => pairs.clone(),
            Some(other) => {
                return Err(format!(
                    "DEFAULT_THROTTLE_RATES is computed (`{}`), and cannot be known",
                    shown(other)
                ));
            }
        };
        for (key, value) in pairs {
            let Value::Text(name) = key else {
                self.notes.push(format!("a rate is computed (`{}`), and left out", shown(&key)));
                continue;
            };
            match self.file.resolved(&value) {
                Value::None => {}
                Value::Text(rate) => match self::rate(rate) {
                    Ok((written, note)) => {
                        self.notes.extend(note.map(|note| format!("`{name}`: {note}")));
                        rates.retain(|(known, _)| *known != name);
                        rates.push((name, written));
                    }
                    Err(reason) => self.notes.push(format!("`{name}` is left out: `{rate}` {reason}")),
                },
                other => {
                    let shown = shown(other);
                    self.notes.push(format!(
                        "`{name}` is left out: its rate is computed (`{shown}`), and cannot be known"
                    ));
                }
            }
        }
        Ok(rates)
    }

    fn classes(&mut self) -> Vec<(String, Throttle)> {
        let classes = match self.setting("DEFAULT_THROTTLE_CLASSES") {
            None => Vec::new(),
            Some(Value::List(classes)) => classes.clone(),
            Some(other) => {
                let note =
                    format!("DEFAULT_THROTTLE_CLASSES is computed (`{}`), and cannot be known", shown(other));
                self.notes.push(note);
                Vec::new()
            }
        };
        let kind = |name: &str| match name.strip_prefix("rest_framework.throttling.") {
            Some("AnonRateThrottle") => Throttle::Anon,
            Some("UserRateThrottle") => Throttle::User,
            Some("ScopedRateThrottle") => Throttle::Scoped,
            _ => Throttle::Own,
        };
        let name = |value| match self.file.resolved(value) {
            Value::Text(name) => name.clone(),
            other => shown(other),
        };
        classes.iter().map(name).map(|name| (name.clone(), kind(&name))).collect()
    }

    fn push(&mut self, throttle: Throttle, name: &str, rate: &str, is_on: bool) {
        let mut fields = vec![("rate", Document::text(rate))];
        match throttle {
            Throttle::Anon => {
                fields.push(("match", Document::object([("client", Document::text("anonymous"))])));
                fields.push(("key", Document::text("address")));
            }
            _ => fields.push(("key", Document::texts(["credential", "address"]))),
        }
        if throttle == Throttle::Scoped {
            let path = format!("/write-the-paths-of/{name}/**");
            fields.push(("match", Document::object([("path", Document::text(path))])));
        }
        if !is_on {
            fields.push(("mode", Document::text("off")));
        }
        let valid = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        let plain: String = name.chars().map(|c| if valid(c) { c } else { '_' }).take(64).collect();
        if plain != name {
            self.notes.push(format!(
                "`{name}` is called `{plain}`: a scope's name has letters, digits, `_` and `-`"
            ));
        }
        if plain.is_empty() || self.scopes.iter().any(|(known, _)| *known == plain) {
            self.notes.push(format!("`{name}` is left out: another scope has its name"));
            return;
        }
        self.scopes.push((plain, Document::object(fields)));
    }

    /// Where the authentication classes look. `None` if that is where Tollgate looks anyway.
    fn credential(&mut self) -> Option<Document> {
        let names = match self.setting("DEFAULT_AUTHENTICATION_CLASSES") {
            // DRF's own default.
            None => ["SessionAuthentication", "BasicAuthentication"].map(str::to_owned).to_vec(),
            Some(Value::List(classes)) => {
                let name = |value| match self.file.resolved(value) {
                    Value::Text(name) => name.rsplit('.').next().unwrap_or(name).to_owned(),
                    other => shown(other),
                };
                classes.iter().map(name).collect()
            }
            Some(other) => {
                let note = format!(
                    "DEFAULT_AUTHENTICATION_CLASSES is computed (`{}`): say in `client.credential.from` where it looks",
                    shown(other)
                );
                self.notes.push(note);
                return None;
            }
        };
        let (mut schemes, mut cookies): (Vec<&str>, Vec<String>) = (Vec::new(), Vec::new());
        for name in &names {
            let scheme = match name.as_str() {
                "TokenAuthentication" => "Token",
                "BasicAuthentication" => "Basic",
                "JWTAuthentication"
                | "JWTStatelessUserAuthentication"
                | "JSONWebTokenAuthentication"
                | "OAuth2Authentication" => "Bearer",
                "SessionAuthentication" => {
                    cookies.push(self.session_cookie());
                    continue;
                }
                _ => {
                    self.notes.push(format!(
                        "`{name}` authenticates in a way that is not known here: say in `client.credential.from` where it looks"
                    ));
                    continue;
                }
            };
            if !schemes.contains(&scheme) {
                schemes.push(scheme);
            }
        }
        if (schemes.as_slice(), cookies.is_empty()) == (&["Token"], true)
            || schemes.is_empty() && cookies.is_empty()
        {
            return None;
        }
        let header = (!schemes.is_empty()).then(|| {
            Document::object([
                ("header", Document::text("authorization")),
                ("schemes", Document::texts(schemes)),
            ])
        });
        let cookies = cookies.into_iter().map(|name| Document::object([("cookie", Document::text(name))]));
        self.notes.push(
            "sessions and default classes ignore credentials that they do not know, and answer public pages with a success: name in \
             `client.credential.proof` the paths where a credential is insisted on"
                .into(),
        );
        Some(Document::object([("from", Document::List(header.into_iter().chain(cookies).collect()))]))
    }

    fn session_cookie(&self) -> String {
        match self.file.values.get("SESSION_COOKIE_NAME") {
            Some(Value::Text(name)) => name.clone(),
            _ => "sessionid".into(),
        }
    }
}

/// A rate of DRF's as Tollgate writes it, and what is to be said about it. DRF reads the first letter of the period alone.
fn rate(text: &str) -> Result<(String, Option<String>), &'static str> {
    let (count, period) = text.split_once('/').ok_or("is no rate")?;
    let count: u32 = count.trim().parse().map_err(|_| "has no whole number in front of the `/`")?;
    let (unit, names): (_, &[&str]) = match period.chars().next() {
        Some('s') => ("s", &["s", "sec", "second", "seconds"]),
        Some('m') => ("min", &["m", "min", "minute", "minutes"]),
        Some('h') => ("h", &["h", "hour", "hours"]),
        Some('d') => ("d", &["d", "day", "days"]),
        _ => return Err("has no period that DRF knows (s, m, h, d)"),
    };
    let note = (!names.contains(&period))
        .then(|| format!("DRF reads `{text}` as {count}/{unit}, since it looks at the period's first letter alone; so does this policy"));
    Ok((format!("{count}/{unit}"), note))
}

/// How a value is written, for people.
fn shown(value: &Value) -> String {
    match value {
        Value::Text(text) | Value::Other(text) => crate::output::printable(text.as_bytes(), 60),
        Value::None => "None".into(),
        Value::List(_) => "a list".into(),
        Value::Dict(_) => "a dictionary".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tollgate::config::Config;

    fn imported(settings: &str) -> (String, Vec<String>) {
        let Imported { policy, notes } = import(settings).expect(settings);
        let written = policy.to_string();
        Config::parse(written.as_bytes()).unwrap_or_else(|error| panic!("{error}: {written}"));
        (written, notes)
    }

    /// What the first users had in mind: limits of the default policy, of which one is for their workers' polls.
    #[test]
    fn the_first_users_sketch() {
        let settings = r#"
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["rest_framework.authentication.TokenAuthentication"],
    "DEFAULT_THROTTLE_CLASSES": [
        "rest_framework.throttling.AnonRateThrottle",
        "rest_framework.throttling.UserRateThrottle",
        "main.api.throttling.WorkerThrottle",
    ],
    "DEFAULT_THROTTLE_RATES": {"anon": "60/min", "user": "300/min", "worker": "30/min"},
}
"#;
        let (written, notes) = imported(settings);
        let expected = r#"{
  "$schema": "policy.schema.json",
  "scopes": {
    "anon": { "rate": "60/min", "match": { "client": "anonymous" }, "key": "address" },
    "user": { "rate": "300/min", "key": ["credential", "address"] },
    "worker": { "rate": "30/min", "key": ["credential", "address"], "match": { "path": "/write-the-paths-of/worker/**" }, "mode": "off" }
  }
}"#;
        assert_eq!(written, expected);
        for note in [
            "`worker` is off",
            "`main.api.throttling.WorkerThrottle` is a class of your own",
            "counts a user",
            "no ceiling",
        ] {
            assert!(notes.iter().any(|known| known.contains(note)), "{note}: {notes:?}");
        }
        // But for the worker's path and the ceiling it is the default policy.
        let default = Config::parse(b"").expect("the default").policy;
        let policy = Config::parse(written.as_bytes()).expect("a policy").policy;
        assert_eq!(policy.client, default.client);
        assert_eq!(policy.scopes, default.scopes[..2]);
    }

    #[test]
    fn what_cannot_be_known_is_said() {
        let settings = r#"
SESSION_COOKIE_NAME = "sid"
RATES = {"anon": "5/month", "user": os.environ["RATE"], "up loads": "9/fortnight", "burst": "x/s", "down.loads": "20/hour", "off": None}
REST_FRAMEWORK = {"DEFAULT_THROTTLE_RATES": RATES, "DEFAULT_THROTTLE_CLASSES": ("rest_framework.throttling.UserRateThrottle",)}
if DEBUG:
    REST_FRAMEWORK["X"] = 1
"#;
        let (written, notes) = imported(settings);
        assert!(written.contains(r#""anon": { "rate": "5/min", "match": { "client": "anonymous" }, "key": "address", "mode": "off" }"#));
        assert!(
            written.contains(r#""down_loads": { "rate": "20/h""#)
                && written.contains(r#"{ "cookie": "sid" }"#),
            "{written}"
        );
        assert!(written.contains(r#""schemes": ["Basic"]"#));
        for note in [
            "line 6 changes REST_FRAMEWORK",
            "DRF reads `5/month` as 5/min",
            "`user` is left out: its rate is computed (`os.environ[\"RATE\"]`)",
            "`up loads` is left out: `9/fortnight` has no period",
            "`burst` is left out: `x/s` has no whole number",
            "the throttle `user` is on and has no rate",
            "`anon` is off",
            "`down.loads` is called `down_loads`",
            "client.credential.proof",
        ] {
            assert!(notes.iter().any(|known| known.contains(note)), "{note}: {notes:#?}");
        }
    }

    #[test]
    fn what_has_no_limits_is_refused() {
        for (settings, reason) in [
            ("A = 1", "no dictionary to REST_FRAMEWORK"),
            ("REST_FRAMEWORK = {}", "no DEFAULT_THROTTLE_RATES"),
            ("REST_FRAMEWORK = {'DEFAULT_THROTTLE_RATES': rates()}", "computed (`rates()`)"),
            ("REST_FRAMEWORK = {'DEFAULT_THROTTLE_RATES': {}}", "no throttle whose rate"),
        ] {
            let refusal = import(settings).expect_err(settings);
            assert!(refusal.contains(reason), "{settings}: {refusal}");
        }
    }
}
