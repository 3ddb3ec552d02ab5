//! User agents, line by line, in; the families of crawlers out, `-` for everyone else. For `tests/parity`.

use std::io::{self, Read, Write};

use tollgate::client::Crawlers;

fn main() -> io::Result<()> {
    let mut user_agents = Vec::new();
    io::stdin().lock().read_to_end(&mut user_agents)?;
    let crawlers = Crawlers::default();
    let mut out = io::BufWriter::new(io::stdout().lock());
    for user_agent in user_agents.strip_suffix(b"\n").unwrap_or(&user_agents).split(|byte| *byte == b'\n') {
        writeln!(out, "{}", crawlers.family(user_agent).unwrap_or("-"))?;
    }
    out.flush()
}
