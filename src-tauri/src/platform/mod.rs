//! What differs between operating systems: one file for each, chosen here and nowhere else.

#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "linux")]
pub use linux::*;

#[cfg(not(target_os = "linux"))]
mod elsewhere;
#[cfg(not(target_os = "linux"))]
pub use elsewhere::*;

#[cfg(target_os = "macos")]
mod macos;
#[cfg(target_os = "macos")]
pub use macos::reopened;

/// Whether the system asks for the window of an app that runs: only macOS does.
#[cfg(not(target_os = "macos"))]
pub fn reopened(_event: &tauri::RunEvent) -> bool {
    false
}
