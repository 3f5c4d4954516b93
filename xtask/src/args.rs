//! A command's words: options with a value, switches and the rest.

use std::collections::BTreeMap;

/// What the person typed can't be understood; exit code 2.
#[derive(Debug, PartialEq, Eq)]
pub struct Usage(pub String);

impl std::fmt::Display for Usage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Usage {}

/// The words of a command, sorted.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Args {
    values: BTreeMap<String, Vec<String>>,
    switches: Vec<String>,
    words: Vec<String>,
}

impl Args {
    /// Sorts `words`. `values` names the options that take one (`--home DIR` or `--home=DIR`),
    /// `switches` those that take none.
    pub fn parse(words: &[String], values: &[&str], switches: &[&str]) -> Result<Args, Usage> {
        let mut args = Args::default();
        let mut words = words.iter();
        while let Some(word) = words.next() {
            let (name, inline) = match word.split_once('=') {
                Some((name, value)) => (name, Some(value.to_owned())),
                None => (word.as_str(), None),
            };
            if values.contains(&name) {
                let value = inline.or_else(|| words.next().cloned());
                let value = value.ok_or_else(|| Usage(format!("{name} needs a value")))?;
                args.values.entry(name.to_owned()).or_default().push(value);
            } else if switches.contains(&word.as_str()) {
                args.switches.push(word.clone());
            } else if word.starts_with('-') {
                return Err(Usage(format!("there is no option {word:?}")));
            } else {
                args.words.push(word.clone());
            }
        }
        Ok(args)
    }

    /// The last value given to an option.
    pub fn value(&self, name: &str) -> Option<&str> {
        self.all(name).last().map(String::as_str)
    }

    /// All values given to an option, in order.
    pub fn all(&self, name: &str) -> &[String] {
        self.values.get(name).map_or(&[], Vec::as_slice)
    }

    /// Whether a switch was given.
    pub fn switch(&self, name: &str) -> bool {
        self.switches.iter().any(|s| s == name)
    }

    /// The words that are no options; each must be one of `known`.
    pub fn words(&self, known: &[&str]) -> Result<&[String], Usage> {
        match self.words.iter().find(|w| !known.contains(&w.as_str())) {
            Some(word) if known.is_empty() => Err(Usage(format!("{word:?} is one word too many"))),
            Some(word) => Err(Usage(format!("{word:?} is none of {}", known.join(", ")))),
            None => Ok(&self.words),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(words: &[&str]) -> Result<Args, Usage> {
        let words: Vec<String> = words.iter().map(|w| (*w).to_owned()).collect();
        Args::parse(&words, &["--home", "--only"], &["--no-cross"])
    }

    #[test]
    fn options_switches_and_words_are_told_apart() {
        let args = parse(&["mac", "--home", "/a", "--only=fmt", "--no-cross", "--only", "tests"]).unwrap();
        assert_eq!(args.value("--home"), Some("/a"));
        assert_eq!(args.all("--only"), ["fmt", "tests"]);
        assert!(args.switch("--no-cross"));
        assert_eq!(args.words(&["win", "mac"]).unwrap(), ["mac"]);
    }

    #[test]
    fn a_later_value_wins() {
        assert_eq!(parse(&["--home=/a", "--home=/b"]).unwrap().value("--home"), Some("/b"));
        assert_eq!(parse(&[]).unwrap().value("--home"), None);
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for (words, says) in [
            (&["--home"][..], "--home needs a value"),
            (&["--hoem=/a"], "there is no option \"--hoem=/a\""),
            (&["--no-cross=yes"], "there is no option \"--no-cross=yes\""),
        ] {
            assert_eq!(parse(words), Err(Usage(says.into())));
        }
        let args = parse(&["linux"]).unwrap();
        assert_eq!(args.words(&["win", "mac"]), Err(Usage("\"linux\" is none of win, mac".into())));
        assert_eq!(args.words(&[]), Err(Usage("\"linux\" is one word too many".into())));
    }
}
