//! Shows the model in the real tray: compares, and changes what differs. Runs on the main thread.

use std::path::Path;

use tauri::{
    AppHandle, Manager, Wry,
    menu::{IsMenuItem, MenuItem, PredefinedMenuItem, Submenu},
    tray::{TrayIcon, TrayIconBuilder},
};

use super::{
    Icon,
    command::Command,
    menu::{Item, Menu},
};

/// What the tray shows, and the items by which that can be changed.
#[derive(Default)]
pub struct Applied {
    shown: Option<(Menu, Icon)>,
    /// Of every line, button and submenu, in the order of [`texts`].
    handles: Vec<Handle>,
}

enum Handle {
    Item(MenuItem<Wry>),
    Sub(Submenu<Wry>),
}

impl Handle {
    fn set_text(&self, text: &str) -> tauri::Result<()> {
        match self {
            Handle::Item(item) => item.set_text(literal(text)),
            Handle::Sub(menu) => menu.set_text(literal(text)),
        }
    }
}

/// Makes the tray icon. What it shows comes by [`Applied::show`], what is clicked goes to `clicked`. Panels
/// get its pictures as files; those go to `pictures`, a folder that no other app shares.
pub fn build(
    app: &AppHandle,
    pictures: &Path,
    clicked: impl Fn(&AppHandle, Command) + Send + Sync + 'static,
) -> tauri::Result<TrayIcon> {
    let menu = tauri::menu::Menu::new(app)?;
    TrayIconBuilder::with_id("lacuna")
        .icon(Icon::Offline.image()?)
        .temp_dir_path(pictures)
        .tooltip("Lacuna")
        .menu(&menu)
        .show_menu_on_left_click(true)
        .on_menu_event(move |app, event| {
            if let Some(command) = Command::of_id(&event.id().0) {
                clicked(app, command);
            }
        })
        .build(app)
}

impl Applied {
    /// Shows a menu and an icon.
    pub fn show(&mut self, tray: &TrayIcon, menu: Menu, icon: Icon) -> tauri::Result<()> {
        let old = self.shown.take();
        if old.as_ref().is_none_or(|(_, i)| *i != icon) {
            tray.set_icon(Some(icon.image()?))?;
        }
        match old.as_ref().and_then(|(m, _)| changes(m, &menu)) {
            Some(changes) => {
                for (at, text) in changes {
                    if let Some(handle) = self.handles.get(at) {
                        handle.set_text(text)?;
                    }
                }
            }
            None => {
                self.handles.clear();
                let new = tauri::menu::Menu::new(tray.app_handle())?;
                self.fill(tray.app_handle(), &menu, &|item| new.append(item))?;
                tray.set_menu(Some(new))?;
            }
        }
        let line = texts(&menu).into_iter().next().unwrap_or_default();
        // Linux has no such thing; elsewhere it is what one sees before the menu.
        tray.set_tooltip(Some(format!("Lacuna: {line}")))?;
        self.shown = Some((menu, icon));
        Ok(())
    }

    fn fill(
        &mut self,
        app: &impl Manager<Wry>,
        menu: &Menu,
        append: &dyn Fn(&dyn IsMenuItem<Wry>) -> tauri::Result<()>,
    ) -> tauri::Result<()> {
        for item in &menu.0 {
            match item {
                Item::Separator => append(&PredefinedMenuItem::separator(app)?)?,
                Item::Line(text) => {
                    let id = format!("line-{}", self.handles.len());
                    let item = MenuItem::with_id(app, id, literal(text), false, None::<&str>)?;
                    append(&item)?;
                    self.handles.push(Handle::Item(item));
                }
                Item::Button(command, text) => {
                    let item = MenuItem::with_id(app, command.id(), literal(text), true, None::<&str>)?;
                    append(&item)?;
                    self.handles.push(Handle::Item(item));
                }
                Item::Sub(text, below) => {
                    let sub = Submenu::new(app, literal(text), true)?;
                    append(&sub)?;
                    self.handles.push(Handle::Sub(sub.clone()));
                    self.fill(app, below, &|item| sub.append(item))?;
                }
            }
        }
        Ok(())
    }
}

/// A text in which no character is a mark for a keyboard shortcut.
fn literal(text: &str) -> String {
    text.replace('&', "&&")
}

/// All texts, a submenu's own before those in it.
fn texts(menu: &Menu) -> Vec<&str> {
    let mut out = Vec::new();
    for item in &menu.0 {
        match item {
            Item::Line(text) | Item::Button(_, text) => out.push(text.as_str()),
            Item::Sub(text, below) => {
                out.push(text);
                out.extend(texts(below));
            }
            Item::Separator => {}
        }
    }
    out
}

/// The texts that differ, by their place in [`texts`]. None: the menus differ in more than texts.
fn changes<'a>(old: &Menu, new: &'a Menu) -> Option<Vec<(usize, &'a str)>> {
    if !same_shape(old, new) {
        return None;
    }
    let pairs = texts(old).into_iter().zip(texts(new)).enumerate();
    Some(pairs.filter(|(_, (old, new))| old != new).map(|(at, (_, new))| (at, new)).collect())
}

fn same_shape(a: &Menu, b: &Menu) -> bool {
    a.0.len() == b.0.len()
        && a.0.iter().zip(&b.0).all(|pair| match pair {
            (Item::Line(_), Item::Line(_)) | (Item::Separator, Item::Separator) => true,
            (Item::Button(a, _), Item::Button(b, _)) => a == b,
            (Item::Sub(_, a), Item::Sub(_, b)) => same_shape(a, b),
            _ => false,
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn menu(line: &str, below: &str, last: Command) -> Menu {
        Menu(vec![
            Item::Line(line.into()),
            Item::Separator,
            Item::Sub("s".into(), Menu(vec![Item::Line(below.into())])),
            Item::Button(last, "l".into()),
        ])
    }

    #[test]
    fn texts_that_differ_are_found_by_their_place() {
        let a = menu("1", "2", Command::Quit);
        assert_eq!(changes(&a, &a), Some(vec![]));
        assert_eq!(changes(&a, &menu("x", "2", Command::Quit)), Some(vec![(0, "x")]));
        assert_eq!(changes(&a, &menu("x", "y", Command::Quit)), Some(vec![(0, "x"), (2, "y")]));
        assert_eq!(texts(&a), ["1", "s", "2", "l"]);
    }

    #[test]
    fn another_command_is_another_menu() {
        let a = menu("1", "2", Command::Quit);
        assert_eq!(changes(&a, &menu("1", "2", Command::Stay)), None);
        let mut longer = a.clone();
        longer.0.push(Item::Separator);
        assert_eq!(changes(&a, &longer), None);
    }

    #[test]
    fn ampersands_of_names_are_shown() {
        assert_eq!(literal("R&D"), "R&&D");
    }
}
