//! The scripts that run in Redis, put together from their parts.

/// What each of them begins with.
const COMMON: [&str; 4] = [
    include_str!("script/head.lua"),
    include_str!("script/windows.lua"),
    include_str!("script/buckets.lua"),
    include_str!("script/clients.lua"),
];

/// What charges and settles, once Redis has loaded it. `script/charge.lua` says how its arguments are to be read.
#[must_use]
pub fn charging_script() -> String {
    [&COMMON.concat(), include_str!("script/charge.lua")].concat()
}

/// What operators ask. `script/console.lua` says how its arguments are to be read.
#[must_use]
pub fn console_script() -> String {
    [&COMMON.concat(), include_str!("script/console.lua")].concat()
}

/// The name by which the one that charges is called: its SHA-1, as Redis says it. `tests/redis` compares.
pub const SCRIPT_SHA1: &str = "c2f9fd391b84e6d7117ef1697261920615c3ebb7";
