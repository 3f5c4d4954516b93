//! macOS.

/// Differs after each start of the machine; `unknown` where the system does not tell.
pub fn boot_id() -> String {
    let id = std::process::Command::new("/usr/sbin/sysctl").args(["-n", "kern.bootsessionuuid"]).output();
    match id {
        Ok(out) if out.status.success() => String::from_utf8_lossy(&out.stdout).trim().to_owned(),
        _ => {
            tracing::warn!("sysctl does not tell the boot session");
            "unknown".to_owned()
        }
    }
}
