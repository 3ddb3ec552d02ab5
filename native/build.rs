//! How the module is linked.

use std::env;
use std::path::Path;
use std::process::Command;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=CC");
    // It stays loaded once it is loaded: it has a thread, and counters that outlive a configuration.
    println!("cargo::rustc-link-arg-cdylib=-Wl,-z,nodelete");
    // Envoy's images without a distribution have libc, and no libgcc_s, which unwinds stacks. So that comes along.
    if env::var("CARGO_CFG_TARGET_ENV").as_deref() == Ok("gnu")
        && let Some(library) = unwinder()
    {
        println!("cargo::rustc-link-arg-cdylib=-Wl,--whole-archive,{library},--no-whole-archive");
    }
}

/// The C compiler's own library for it, if it has one by itself.
fn unwinder() -> Option<String> {
    let compiler = env::var("CC").unwrap_or_else(|_| "cc".to_owned());
    let answer = Command::new(compiler).arg("-print-file-name=libgcc_eh.a").output().ok()?;
    let library = String::from_utf8(answer.stdout).ok()?.trim().to_owned();
    Path::new(&library).is_absolute().then_some(library)
}
