//! Linux.

/// Differs after each start of the machine. `unknown` where the kernel does not tell: then what was
/// not synced before a power loss is trusted as if the machine had not stopped.
pub fn boot_id() -> String {
    match std::fs::read_to_string("/proc/sys/kernel/random/boot_id") {
        Ok(id) => id.trim().to_owned(),
        Err(e) => {
            tracing::warn!(error = %e, "the kernel does not tell its boot id");
            "unknown".to_owned()
        }
    }
}
