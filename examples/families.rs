//! Lines of user agents in, the families of crawlers out, `-` for everyone else. For `tests/parity`.

use std::io::{self, Read, Write};

use tollgate::client::Crawlers;

fn main() -> io::Result<()> {
    let mut agents = Vec::new();
    io::stdin().lock().read_to_end(&mut agents)?;
    let crawlers = Crawlers::default();
    let mut out = io::BufWriter::new(io::stdout().lock());
    for agent in agents.strip_suffix(b"\n").unwrap_or(&agents).split(|byte| *byte == b'\n') {
        writeln!(out, "{}", crawlers.family(agent).unwrap_or("-"))?;
    }
    out.flush()
}
