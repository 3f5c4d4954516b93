//! Windows.

/// Differs after each start of the machine; `unknown` where the registry does not tell.
///
/// Windows counts its starts in `PrefetchParameters\BootId`.
pub fn boot_id() -> String {
    let key = r"HKLM\SYSTEM\CurrentControlSet\Control\Session Manager\Memory Management\PrefetchParameters";
    let out = std::process::Command::new("reg").args(["query", key, "/v", "BootId"]).output();
    match out {
        Ok(out) if out.status.success() => {
            String::from_utf8_lossy(&out.stdout).split_whitespace().last().unwrap_or("unknown").to_owned()
        }
        _ => {
            tracing::warn!("the registry does not tell the boot id");
            "unknown".to_owned()
        }
    }
}
