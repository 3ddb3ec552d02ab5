//! Judges traces of requests on a clock of their own, from configuration to `Retry-After`: what the tests
//! compare with Django REST framework.
//!
//! Each line of the input is one trace: a rate, a space, then requests `MICROSECONDS:CLIENT`, in order, by space.
//! The answer to it is a line with `ok` for a request that is admitted, and for one that is denied its wait in
//! microseconds and its `Retry-After`, as `MICROSECONDS:SECONDS`.

use std::borrow::Cow;
use std::error::Error;
use std::io::{self, BufRead, BufWriter, Write};

use tollgate::client::Client;
use tollgate::config::Config;
use tollgate::gate::{Gate, Pending};
use tollgate::request::{Headers, Properties, Request};
use tollgate::store::{MemoryTable, Secret};
use tollgate::time::Time;

struct Peer<'a>(&'a str);

impl Properties for Peer<'_> {
    fn source_address(&self) -> Cow<'_, [u8]> {
        Cow::Borrowed(self.0.as_bytes())
    }

    fn jwt_claim(&self, _name: &str) -> Option<Cow<'_, [u8]>> {
        None
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut out = BufWriter::new(io::stdout().lock());
    for line in io::stdin().lock().lines() {
        let line = line?;
        let (rate, requests) = line.split_once(' ').ok_or("a trace is a rate and requests")?;
        writeln!(out, "{}", judge(rate, requests)?.join(" "))?;
    }
    Ok(out.flush()?)
}

fn judge(rate: &str, requests: &str) -> Result<Vec<String>, Box<dyn Error>> {
    let document = format!(r#"{{ "scopes": {{ "trace": {{ "rate": "{rate}", "key": "address" }} }} }}"#);
    let config = Config::parse(document.as_bytes())?;
    let table = MemoryTable::new(config.capacity);
    let gate = Gate::new(config, Secret::new([0; 16]), table);
    let mut answers = Vec::new();
    for request in requests.split_whitespace() {
        let (micros, peer) = request.split_once(':').ok_or("a request is a time and a client")?;
        let peer = Peer(peer);
        let request = Request::new(Headers::default(), &peer);
        let client = Client::identify(&gate.config().policy.client, &request);
        let decision = gate.admit(&client, Pending::default(), Time::from_micros(micros.parse()?)).decision;
        answers.push(match (gate.reply(&decision), decision.wait) {
            (Some(denial), Some(wait)) => {
                let retry_after = denial.headers.iter().find(|(name, _)| *name == "retry-after");
                format!("{}:{}", wait.as_micros(), retry_after.map_or("", |(_, seconds)| seconds))
            }
            _ => "ok".to_owned(),
        });
    }
    Ok(answers)
}
