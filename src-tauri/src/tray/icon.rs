//! The tray's icons: five shapes, so that nobody has to tell colours apart.

use lacuna::control::api::{DriveState, Status};
use tauri::image::Image;

use crate::agent::Agent;

/// What the icon says.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Icon {
    Synced,
    Syncing,
    Paused,
    /// Also: nothing is known yet, or there is no drive.
    Offline,
    /// Also: there is no agent.
    Problem,
}

impl From<DriveState> for Icon {
    fn from(state: DriveState) -> Icon {
        match state {
            DriveState::Synced => Icon::Synced,
            DriveState::Syncing => Icon::Syncing,
            DriveState::Paused => Icon::Paused,
            DriveState::Offline => Icon::Offline,
            DriveState::Problem => Icon::Problem,
        }
    }
}

impl Icon {
    /// The worst of all drives.
    pub fn of(agent: &Agent) -> Icon {
        match agent {
            Agent::Unknown => Icon::Offline,
            Agent::Down(_) => Icon::Problem,
            Agent::Up(Status { drives, .. }) => {
                drives.iter().map(|d| Icon::from(d.state)).max().unwrap_or(Icon::Offline)
            }
        }
    }

    /// Its picture, 64 × 64; drawn in `icons/svg/`.
    pub fn image(self) -> tauri::Result<Image<'static>> {
        let png: &[u8] = match self {
            Icon::Synced => include_bytes!("../../icons/tray/synced-64.png"),
            Icon::Syncing => include_bytes!("../../icons/tray/syncing-64.png"),
            Icon::Paused => include_bytes!("../../icons/tray/paused-64.png"),
            Icon::Offline => include_bytes!("../../icons/tray/offline-64.png"),
            Icon::Problem => include_bytes!("../../icons/tray/problem-64.png"),
        };
        Image::from_bytes(png)
    }
}

#[cfg(test)]
mod tests {
    use lacuna::control::api::{DriveStatus, Failure};

    use super::*;

    const ALL: [Icon; 5] = [Icon::Synced, Icon::Syncing, Icon::Paused, Icon::Offline, Icon::Problem];

    fn up(states: &[DriveState]) -> Agent {
        let drives = states.iter().map(|s| DriveStatus::new("d", "store:/b", "/d", *s)).collect();
        Agent::Up(Status { version: 1, drives })
    }

    #[test]
    fn the_worst_drive_is_shown() {
        use DriveState::*;
        for (states, icon) in [
            (&[][..], Icon::Offline),
            (&[Synced, Synced], Icon::Synced),
            (&[Synced, Syncing], Icon::Syncing),
            (&[Paused, Syncing], Icon::Paused),
            (&[Paused, Offline, Synced], Icon::Offline),
            (&[Problem, Offline], Icon::Problem),
        ] {
            assert_eq!(Icon::of(&up(states)), icon, "{states:?}");
        }
        let why = Failure { kind: "other".into(), cause: "c".into(), remedy: None, path: None };
        assert_eq!(Icon::of(&Agent::Down(why)), Icon::Problem);
        assert_eq!(Icon::of(&Agent::Unknown), Icon::Offline);
    }

    /// Which pixels are covered at all, and which of them are of the mark in the middle (white).
    fn shape(icon: Icon) -> Vec<(bool, bool)> {
        let image = icon.image().unwrap();
        assert_eq!((image.width(), image.height()), (64, 64));
        image.rgba().chunks(4).map(|p| (p[3] > 127, p[3] > 127 && p[..3].iter().all(|c| *c > 200))).collect()
    }

    #[test]
    fn icons_differ_in_shape_and_not_only_in_colour() {
        for (i, a) in ALL.iter().enumerate() {
            for b in &ALL[i + 1..] {
                let differ = shape(*a).iter().zip(&shape(*b)).filter(|(a, b)| a.0 != b.0).count();
                // Of 4,096: the outlines alone tell them apart.
                assert!(differ > 400, "{a:?} and {b:?} differ in {differ} pixels");
            }
        }
    }

    #[test]
    fn icons_stand_out_from_light_and_dark_panels() {
        // The contrast of WCAG 2 for graphics is 3 to 1.
        let light = |p: &[u8]| {
            let c = |v: u8| {
                let v = f64::from(v) / 255.0;
                if v <= 0.040_45 { v / 12.92 } else { ((v + 0.055) / 1.055).powf(2.4) }
            };
            0.2126 * c(p[0]) + 0.7152 * c(p[1]) + 0.0722 * c(p[2])
        };
        let contrast = |a: f64, b: f64| (a.max(b) + 0.05) / (a.min(b) + 0.05);
        for icon in ALL {
            let image = icon.image().unwrap();
            for panel in [light(&[255, 255, 255]), light(&[32, 32, 32])] {
                let seen = image.rgba().chunks(4).filter(|p| p[3] > 200 && contrast(light(p), panel) >= 3.0);
                assert!(seen.count() > 500, "{icon:?}");
            }
        }
    }
}
