//! The app on a desktop: the real program with the real agent and a drive that is mounted, seen as a panel
//! and a person see it. `cargo xtask test --only desktop` installs what these tests need and says by
//! variables where the programs are: `LACUNA_PROGRAM` (the command line), `LACUNA_TEST_HUB`, `LACUNA_TAURI_DRIVER`.

mod session;
mod the_end;
mod the_hub;
mod the_tray;
mod the_window;
mod tray;
mod webdriver;
