//! Live status on a terminal or in a log.

use std::{cell::RefCell, io::IsTerminal};

use indicatif::{ProgressBar, ProgressStyle};

use crate::progress::{Progress, View};

/// The live line with its bar on a terminal; elsewhere a line whenever something changes.
pub struct Screen {
    bar: Option<ProgressBar>,
    state: RefCell<(Progress, View)>,
}

impl Screen {
    /// A bar if there is a terminal to draw it on.
    pub fn new() -> Screen {
        let bar = std::io::stderr().is_terminal().then(|| ProgressBar::new(0));
        Screen { bar, state: Default::default() }
    }

    /// Shows the state; problems once each, on lines that stay.
    pub fn show(&self, view: &View) {
        let mut state = self.state.borrow_mut();
        let (progress, last) = &mut *state;
        for problem in view.problems.iter().filter(|p| !last.problems.contains(p)) {
            self.say(&format!("! {problem}"));
        }
        let (done, all) = progress.observe(view);
        match &self.bar {
            Some(bar) => {
                let template = if all > 0 {
                    "{spinner} [{bar:30}] {decimal_bytes}/{decimal_total_bytes}  {msg}"
                } else {
                    "{spinner} {msg}"
                };
                if let Ok(style) = ProgressStyle::with_template(template) {
                    bar.set_style(style.progress_chars("=> "));
                }
                bar.set_length(all);
                bar.set_position(done);
                bar.set_message(view.line());
                bar.tick();
            }
            // Rates change with every look; a log wants what happened.
            None if (&view.state, view.files) != (&last.state, last.files) => println!("{}", view.line()),
            None => {}
        }
        *last = view.clone();
    }

    /// A line that stays.
    pub fn say(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.println(text),
            None => println!("{text}"),
        }
    }

    /// Takes the bar away.
    pub fn end(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
