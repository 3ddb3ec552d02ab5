//! How the module is linked.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    // It stays loaded once it is loaded: it has a thread, and counters that outlive a configuration.
    println!("cargo::rustc-link-arg-cdylib=-Wl,-z,nodelete");
}
