//! The functions, as one text. Their names carry a hash of it, so that processes of two releases use one Redis at the
//! same time, each its own functions on the same keys (of the same schema).

use std::sync::LazyLock;

const PARTS: [&str; 17] = [
    include_str!("lua/state.lua"),
    include_str!("lua/bucket.lua"),
    include_str!("lua/window.lua"),
    include_str!("lua/knob.lua"),
    include_str!("lua/budget.lua"),
    include_str!("lua/route.lua"),
    include_str!("lua/stream.lua"),
    include_str!("lua/line.lua"),
    include_str!("lua/ring.lua"),
    include_str!("lua/campaigns.lua"),
    include_str!("lua/alarms.lua"),
    include_str!("lua/claim.lua"),
    include_str!("lua/more.lua"),
    include_str!("lua/settle.lua"),
    include_str!("lua/recovery.lua"),
    include_str!("lua/report.lua"),
    include_str!("lua/functions.lua"),
];

/// `tidings_queue_<hash>`: the library's name, and the beginning of each function's.
pub static VERSION: LazyLock<String> = LazyLock::new(|| format!("tidings_queue_{:016x}", fnv(&PARTS.concat())));

/// What `FUNCTION LOAD` takes.
pub static LIBRARY: LazyLock<String> = LazyLock::new(|| {
    let text = PARTS.concat().replace("'@_'", &format!("'{}_'", *VERSION));
    format!("#!lua name={}\n{text}", *VERSION)
});

/// FNV-1a: the same in every build, which the standard hasher does not promise.
fn fnv(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}
