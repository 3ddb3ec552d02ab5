//! Wires to real servers, and to some that only claim to be one.

mod cluster;
mod hostile;
mod line;
mod plain;
mod process;
mod sentinel;
mod server;
mod store;
mod threads;
mod tls;

use line::Line;
use server::Server;
