//! The name of the copy that keeps our version beside theirs.

use crate::node::Name;

/// `report.ods` becomes `report (conflicted copy, HOST, 2026-11-23).ods`; from the second try on with a
/// number before the bracket closes. Never longer than a name may be: the stem gives way.
pub fn copy_name(name: &Name, host: &str, date: &str, attempt: u32) -> Name {
    let text = name.as_str();
    // A dot at the front is no extension, nor is what is too long to be one.
    let (stem, ext) = match text.rfind('.') {
        Some(dot) if dot > 0 && text.len() - dot <= 16 => text.split_at(dot),
        _ => (text, ""),
    };
    let host: String = host.chars().filter(|c| !c.is_control() && *c != '/').take(40).collect();
    let number = if attempt > 1 { format!(" {attempt}") } else { String::new() };
    let tail = format!(" (conflicted copy, {host}, {date}{number}){ext}");
    let mut room = Name::MAX_BYTES.saturating_sub(tail.len()).min(stem.len());
    while !stem.is_char_boundary(room) {
        room -= 1;
    }
    let stem = stem.get(..room).unwrap_or_default();
    Name::new(format!("{stem}{tail}")).unwrap_or_else(|_| name.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_extension_stays_the_last_and_the_name_fits() {
        let copy =
            |name: &str, n| copy_name(&Name::new(name).unwrap(), "desk", "2026-11-23", n).as_str().to_owned();
        assert_eq!(copy("report.ods", 1), "report (conflicted copy, desk, 2026-11-23).ods");
        assert_eq!(copy("report.ods", 3), "report (conflicted copy, desk, 2026-11-23 3).ods");
        assert_eq!(copy(".profile", 1), ".profile (conflicted copy, desk, 2026-11-23)");
        assert_eq!(copy("Makefile", 1), "Makefile (conflicted copy, desk, 2026-11-23)");
        for long in ["x".repeat(255), format!("{}.tar", "ü".repeat(125)), format!("a.{}", "y".repeat(250))] {
            let name = copy(&long, 12);
            assert!(name.len() <= 255 && name.contains("conflicted copy"), "{name}");
        }
    }
}
