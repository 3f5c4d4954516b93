//! The tray: a pure model of what it shows, and the thin part that shows it.

mod apply;
mod command;
mod icon;
mod menu;
mod truth;

pub use apply::{Applied, build};
pub use command::{Command, PauseFor};
pub use icon::Icon;
pub use menu::{Question, SAVES, View, menu, question};
pub use truth::next_change;
