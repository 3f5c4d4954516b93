//! macOS.

/// Whether the system asks for the window of an app that runs: its icon in the Dock was clicked.
pub fn reopened(event: &tauri::RunEvent) -> bool {
    matches!(event, tauri::RunEvent::Reopen { has_visible_windows: false, .. })
}
