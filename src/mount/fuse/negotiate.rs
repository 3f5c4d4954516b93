//! What the drive and the kernel agree on when a session begins.

use fuser::{InitFlags, KernelConfig};

/// The largest read and write, bytes.
const MAX_REQUEST: u32 = 1 << 20;

/// How many requests the kernel starts on its own (read-ahead, write-back) before it waits.
const MAX_BACKGROUND: u16 = 64;

/// Each is taken where the kernel has it. Left out on purpose: the write-back cache (what a program
/// was told is written must be in our journal), locks (the kernel then does them itself between
/// the programs of this machine), AUTO_INVAL_DATA (it would drop pages after our own writes) and
/// ATOMIC_O_TRUNC (the kernel would have us cut a program that runs before it finds that it may not).
const WANTED: [InitFlags; 6] = [
    InitFlags::FUSE_DO_READDIRPLUS,
    InitFlags::FUSE_READDIRPLUS_AUTO,
    InitFlags::FUSE_PARALLEL_DIROPS,
    InitFlags::FUSE_ASYNC_DIO,
    InitFlags::FUSE_HANDLE_KILLPRIV_V2,
    InitFlags::FUSE_CACHE_SYMLINKS,
];

/// Asks for what makes the drive fast and right. What this kernel lacks is done without.
pub fn negotiate(config: &mut KernelConfig) {
    for flag in WANTED {
        if let Err(missing) = config.add_capabilities(flag) {
            tracing::debug!(?missing, "this kernel's FUSE is older");
        }
    }
    // Both answer the nearest possible value if ours is too much.
    if let Err(most) = config.set_max_write(MAX_REQUEST) {
        let _ = config.set_max_write(most);
    }
    if let Err(most) = config.set_max_readahead(MAX_REQUEST) {
        let _ = config.set_max_readahead(most);
    }
    let _ = config.set_max_background(MAX_BACKGROUND);
}
