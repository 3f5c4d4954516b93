//! What the engine says, in the language of the tray and of notifications. The engine speaks English; the
//! page's catalogue (`ui/src/locales/engine`) has its sentences, as they stand in the source with their
//! placeholders, in another language. The page finds them by the same rules (`ui/src/lib/engine.ts`).

use std::collections::{BTreeMap, HashMap};

use serde::Deserialize;

/// Placeholders that hold another sentence; all others hold names and numbers.
const SENTENCES: [&str; 7] = ["cause", "e", "install", "said", "what", "who", "why"];

/// How the engine joins sentences: what is between them and what closes the second one.
const JOINS: [(&str, &str); 3] = [(": ", ""), ("; ", ""), (" (", ")")];

/// The longest text that is looked at, in bytes, and at how many parts of it: it may come from anywhere.
const LONGEST: usize = 1000;
const MOST: usize = 800;

/// One language's sentences, as the file has them.
#[derive(Deserialize)]
struct Catalogue {
    /// What was being done when something failed: a colon and the cause follow.
    doing: BTreeMap<String, String>,
    sentences: BTreeMap<String, String>,
    /// What the operating system says.
    system: BTreeMap<String, String>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
enum Part {
    Text(String),
    /// A placeholder; `true`: it only adds to a word (`agent{pid}`) and may be empty.
    Hole(String, bool),
}

#[derive(Debug)]
struct Pattern {
    from: Vec<Part>,
    to: Vec<Part>,
    /// How many bytes of it are no placeholder.
    literal: usize,
}

/// The sentences of one language; none of English, which stays as it is.
#[derive(Default, Debug)]
pub struct Sentences {
    exact: HashMap<String, String>,
    doing: Vec<Pattern>,
    patterns: Vec<Pattern>,
}

/// A translation, and how much of the text was known.
type Hit = (usize, String);

/// A template as Rust has it: `{}` is numbered from 0, `{name:?}` is `{name}`, `{{` is a brace.
fn parts(template: &str) -> Vec<Part> {
    let mut out = Vec::new();
    let mut text = String::new();
    let mut numbered = 0;
    let mut rest = template;
    while let Some(at) = rest.find(['{', '}']) {
        text += &rest[..at];
        let brace = &rest[at..=at];
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix(brace) {
            text += brace;
            rest = after;
            continue;
        }
        let Some((inside, after)) = rest.split_once('}').filter(|_| brace == "{") else {
            text += brace;
            continue;
        };
        let name = inside.split(':').next().unwrap_or_default();
        let name = if name.is_empty() { (numbered, numbered += 1).0.to_string() } else { name.to_owned() };
        let adds = text.ends_with(char::is_alphabetic);
        if !text.is_empty() {
            out.push(Part::Text(std::mem::take(&mut text)));
        }
        out.push(Part::Hole(name, adds));
        rest = after;
    }
    text += rest;
    if !text.is_empty() {
        out.push(Part::Text(text));
    }
    out
}

/// What stands in the placeholders of `parts` if `text` is said by it, each as short as can be.
fn matched<'a>(parts: &[Part], text: &'a str, found: &mut Vec<(String, &'a str)>) -> bool {
    match parts {
        [] => text.is_empty(),
        [Part::Text(literal), rest @ ..] => {
            text.strip_prefix(literal.as_str()).is_some_and(|text| matched(rest, text, found))
        }
        [Part::Hole(name, adds), rest @ ..] => {
            if let Some((_, value)) = found.iter().find(|(known, _)| known == name) {
                return text.strip_prefix(*value).is_some_and(|text| matched(rest, text, found));
            }
            let ends = text.char_indices().map(|(at, _)| at).chain([text.len()]);
            for end in ends.skip_while(|end| *end == 0 && !adds) {
                if matches!(rest, [Part::Text(next), ..] if !text[end..].starts_with(next.as_str())) {
                    continue;
                }
                found.push((name.clone(), &text[..end]));
                if matched(rest, &text[end..], found) {
                    return true;
                }
                found.pop();
            }
            false
        }
    }
}

impl Sentences {
    /// Those of a file of the page's.
    pub fn read(catalogue: &str) -> serde_json::Result<Sentences> {
        let Catalogue { doing, sentences, system } = serde_json::from_str(catalogue)?;
        let mut all = Sentences::default();
        let pattern = |from: &str, to: &str| {
            let from = parts(from);
            let text = |p: &Part| if let Part::Text(t) = p { t.len() } else { 0 };
            Pattern { literal: from.iter().map(text).sum(), from, to: parts(to) }
        };
        for (from, to) in sentences.iter().chain(&system) {
            let pattern = pattern(from, to);
            match (&pattern.from[..], &pattern.to[..]) {
                ([Part::Text(from)], [Part::Text(to)]) => drop(all.exact.insert(from.clone(), to.clone())),
                _ => all.patterns.push(pattern),
            }
        }
        all.doing = doing.iter().map(|(from, to)| pattern(from, to)).collect();
        Ok(all)
    }

    /// What the engine says; what is not known stays as it is.
    pub fn say(&self, text: &str) -> String {
        let known = (text.len() <= LONGEST).then(|| self.find(text, &mut HashMap::new())).flatten();
        known.map_or_else(|| text.to_owned(), |(_, said)| said)
    }

    fn find(&self, text: &str, known: &mut HashMap<String, Option<Hit>>) -> Option<Hit> {
        if let Some(said) = self.exact.get(text) {
            return Some((text.len(), said.clone()));
        }
        if let Some(hit) = known.get(text) {
            return hit.clone();
        }
        if text.is_empty() || known.len() >= MOST {
            return None;
        }
        known.insert(text.to_owned(), None);
        // A whole sentence first: a name at its end may hold what looks like a join.
        let hit = self.best(&self.patterns, text, known).or_else(|| self.joined(text, known));
        known.insert(text.to_owned(), hit.clone());
        hit
    }

    /// The pattern of which most stands in the text.
    fn best(
        &self,
        patterns: &[Pattern],
        text: &str,
        known: &mut HashMap<String, Option<Hit>>,
    ) -> Option<Hit> {
        let mut best: Option<Hit> = None;
        for pattern in patterns {
            let mut values = Vec::new();
            if !matched(&pattern.from, text, &mut values) {
                continue;
            }
            let (mut score, mut said) = (pattern.literal, String::new());
            for part in &pattern.to {
                let (name, adds) = match part {
                    Part::Text(text) => {
                        said += text;
                        continue;
                    }
                    Part::Hole(name, adds) => (name, *adds),
                };
                let value = values.iter().find(|(known, _)| known == name).map_or("", |(_, value)| *value);
                let word = if name == "place" { self.exact.get(value) } else { None };
                let inner =
                    (adds || SENTENCES.contains(&name.as_str())).then(|| self.find(value, known)).flatten();
                score += inner.as_ref().map_or(0, |hit| hit.0);
                said += word.or(inner.as_ref().map(|hit| &hit.1)).map_or(value, String::as_str);
            }
            if best.as_ref().is_none_or(|hit| score > hit.0) {
                best = Some((score, said));
            }
        }
        best
    }

    /// Two sentences joined, split where most of them is known.
    fn joined(&self, text: &str, known: &mut HashMap<String, Option<Hit>>) -> Option<Hit> {
        let mut best: Option<Hit> = None;
        for (between, close) in JOINS {
            let Some(open) = text.strip_suffix(close) else { continue };
            for (at, _) in open.match_indices(between) {
                let (left, right) = (&open[..at], &open[at + between.len()..]);
                if left.is_empty() || right.is_empty() {
                    continue;
                }
                let doing = if between == ": " { self.best(&self.doing, left, known) } else { None };
                let whole = self.find(left, known);
                let score = |hit: &Option<Hit>| hit.as_ref().map_or(0, |hit| hit.0);
                let one = if score(&doing) > score(&whole) { doing } else { whole };
                let two = self.find(right, known);
                let sum = score(&one) + score(&two);
                if sum == 0 || best.as_ref().is_some_and(|hit| sum <= hit.0) {
                    continue;
                }
                let (one, two) =
                    (one.map_or(left.to_owned(), |h| h.1), two.map_or(right.to_owned(), |h| h.1));
                best = Some((sum, format!("{one}{between}{two}{close}")));
            }
        }
        best
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sentences() -> Sentences {
        Sentences::read(
            r#"{
            "doing": {"can't read {path}": "{path} ist nicht zu lesen"},
            "sentences": {
                "no room": "kein Platz",
                "the bucket is damaged: {why}": "das Bucket ist beschädigt: {why}",
                "{0} of {1} went": "{1} sollten, {0} gingen",
                "another agent{pid} has it": "ein anderer Dienst{pid} hat es",
                " (process {pid})": " (Prozess {pid})",
                "make room at {place}": "schaffen Sie Platz auf {place}",
                "the disk": "dem Datenträger",
                "braces {{}}": "Klammern {{}}"
            },
            "system": {"Permission denied (os error {code})": "keine Berechtigung (Fehler {code})"}
        }"#,
        )
        .unwrap()
    }

    #[test]
    fn sentences_are_found_whole_filled_and_joined() {
        for (english, german) in [
            ("no room", "kein Platz"),
            ("the bucket is damaged: no room", "das Bucket ist beschädigt: kein Platz"),
            ("the bucket is damaged: ring 7", "das Bucket ist beschädigt: ring 7"),
            ("3 of 5 went", "5 sollten, 3 gingen"),
            ("another agent (process 7) has it", "ein anderer Dienst (Prozess 7) hat es"),
            ("another agent has it", "ein anderer Dienst hat es"),
            ("make room at the disk", "schaffen Sie Platz auf dem Datenträger"),
            ("make room at /srv/no room", "schaffen Sie Platz auf /srv/no room"),
            ("braces {}", "Klammern {}"),
            (
                "can't read a (b).txt: Permission denied (os error 13)",
                "a (b).txt ist nicht zu lesen: keine Berechtigung (Fehler 13)",
            ),
            ("no room (no room)", "kein Platz (kein Platz)"),
            ("what is this?", "what is this?"),
            ("", ""),
        ] {
            assert_eq!(sentences().say(english), german, "{english}");
        }
        let long = "no room: ".repeat(200);
        assert_eq!(sentences().say(&long), long);
        assert_eq!(Sentences::default().say("no room"), "no room");
    }
}
