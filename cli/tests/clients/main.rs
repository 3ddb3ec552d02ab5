//! `tollgate clients` from the command line to what it asks a console, what it prints of the answers, and its exit codes.

#[path = "../console/mod.rs"]
mod console;
mod done;
mod refused;
mod run;
