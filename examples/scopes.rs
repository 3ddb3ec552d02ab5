//! Says under which scopes of the default policy a request falls: what the tests compare with the application that this
//! policy is for.
//!
//! Each line of the input is the target of a `GET` with a credential. The answer to it is a line with the names of its
//! scopes, by space.

use std::error::Error;
use std::io::{self, BufRead, BufWriter, Write};

use tollgate::client::Client;
use tollgate::config::Config;
use tollgate::request::{Headers, NoProperties, Request};
use tollgate::scope::Counted;
use tollgate::store::Secret;

fn main() -> Result<(), Box<dyn Error>> {
    let policy = Config::parse(b"")?.policy;
    let mut out = BufWriter::new(io::stdout().lock());
    for target in io::stdin().lock().lines() {
        let headers = [(":method", "GET"), (":path", &*target?), ("authorization", "Token t")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()));
        let block = Headers::encode(&headers);
        let request = Request::new(Headers::new(&block), &NoProperties);
        let client = Client::identify(&policy.client, &request);
        let charges = policy.plan(&client, &Secret::new([0; 16]), Counted::default());
        let names: Vec<&str> =
            charges.iter().map(|charge| policy.scopes[charge.scope].name.as_str()).collect();
        writeln!(out, "{}", names.join(" "))?;
    }
    Ok(out.flush()?)
}
