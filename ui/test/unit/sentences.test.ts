// Every language's catalogue of the engine's sentences is complete, and holds nothing that nobody says.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import { describe, expect, test } from 'vitest';

import { CATALOGUES, Engine, parts } from '../../src/lib/engine';
import { LANGUAGES } from '../../src/lib/lang';
import { INTERNAL } from './internal';
import { sentences, sentencesBeneath, tokens } from './rust';

const root = join(import.meta.dirname, '../../..');
const found = [...sentencesBeneath(root, 'src', ['src/cli']), ...sentencesBeneath(root, 'src-tauri/src')];
const internal = new Set(Object.values(INTERNAL).flat());
const spoken = new Set(found.map((f) => f.text).filter((text) => !internal.has(text)));

/** Words that are put into sentences without a space in them, which no rule finds, and where they are. */
const WORDS: [string, string][] = [['name', 'src/agent/table.rs']];

/** Calls that take what was being done, and join the cause. */
const DOING = new Set(['io', 'failed', 'failure', 'cas_error']);
const doing = new Set(
  found.filter((f) => DOING.has(f.calls.find((c) => c !== 'format!') ?? '')).map((f) => f.text),
);

const holes = (text: string) => [
  ...new Set(parts(text).flatMap((part) => (typeof part === 'string' ? [] : [part.hole]))),
];

describe('the source is read', () => {
  const texts = (source: string) => sentences('a.rs', source).found.map((f) => f.text);

  test.each([
    ['Error::new(Kind::Other, "one two")', ['one two']],
    ['Error::new(\n    Kind::Other,\n    format!("{a} is\n         not"),\n)', ['{a} is\n         not']],
    ['e.remedy("a long \\\n      one")', ['a long one']],
    ['e.remedy(if x { "this way" } else { "that way" })', ['this way', 'that way']],
    ['let why = "the \\"name\\" is";', ['the "name" is']],
    ['r#"raw "one""#; Some("other one")', ['raw "one"', 'other one']],
    ['#[error("no space")] A, #[doc = "not this"] B', ['no space']],
    ['tracing::warn!("not this: {e}"); eprintln!("nor this")', []],
    ['db.prepare_cached("SELECT a FROM b"); "SELECT a FROM b"', []],
    ["let c = '\"'; f(\"this one\"); let d = 'a'; g::<'static>(\"that one\")", ['this one', 'that one']],
    ['// "not this"\n/* "nor this" */ "but this"', ['but this']],
    ['#[cfg(test)]\nmod tests { fn a() { f("not this"); } }\nfn b() { f("but this") }', ['but this']],
    ['#[cfg(test)]\nfn at(&self) -> X { f("not this") }\nfn b() { f("but this") }', ['but this']],
    ['match x { #[cfg(test)] A => f("not this"), B => f("but this") }', ['but this']],
    ['format!("{doing}: {e}")', []],
    ['fail("mounting", e); f("mounting")', ['mounting']],
  ])('%s', (source, expected) => {
    expect(texts(source)).toEqual(expected);
  });

  test('modules of tests in files of their own are named', () => {
    expect(sentences('a.rs', '#[cfg(test)]\nmod rig;\n#[cfg(test)]\n#[path = "a_tests.rs"]\nmod tests;').tests).toEqual([
      'rig',
      './a_tests',
      'tests',
    ]);
  });

  test('lines are counted', () => {
    expect(tokens('a\n"b\nc"\nd').map((t) => t.line)).toEqual([1, 2, 4]);
  });

  test('all of it', () => {
    expect(found.length).toBeGreaterThan(400);
    expect(spoken).toContain('make room on the disk that holds {place}');
    expect(found.filter((f) => f.at.includes('test'))).toEqual([]);
  });
});

test('what is left out is there, and each once', () => {
  const texts = new Set(found.map((f) => f.text));
  const all = Object.values(INTERNAL).flat();
  expect(all.filter((text) => !texts.has(text))).toEqual([]);
  expect(all.filter((text, i) => all.indexOf(text) !== i)).toEqual([]);
});

test.each(WORDS)('the word %s is in %s', (word, file) => {
  expect(readFileSync(join(root, file), 'utf8')).toContain(`"${word}"`);
});

test('every language of the page but English has a catalogue', () => {
  expect(Object.keys(CATALOGUES).sort()).toEqual(Object.keys(LANGUAGES).filter((l) => l !== 'en').sort());
});

describe.each(Object.entries(CATALOGUES))('%s', (language, catalogue) => {
  const ours = { ...catalogue.doing, ...catalogue.sentences };

  test('no sentence of the source is missing', () => {
    const missing = found.filter((f) => spoken.has(f.text) && !(f.text in ours));
    expect(missing.map((f) => `${f.at}: ${f.text}`)).toEqual([]);
    expect([...doing].filter((text) => spoken.has(text) && !(text in catalogue.doing))).toEqual([]);
  });

  test('none is there that no source has any more', () => {
    const words = new Set(WORDS.map(([word]) => word));
    expect(Object.keys(ours).filter((text) => !spoken.has(text) && !words.has(text))).toEqual([]);
    expect(Object.keys(catalogue.doing).filter((text) => text in catalogue.sentences)).toEqual([]);
  });

  test('says what the operating system says as German does', () => {
    expect(Object.keys(catalogue.system).sort()).toEqual(Object.keys(CATALOGUES['de']?.system ?? {}).sort());
  });

  test('has the same placeholders and commands everywhere, and says something', () => {
    for (const [from, to] of Object.values(catalogue).flatMap((c: Record<string, string>) => Object.entries(c))) {
      expect(to.trim(), from).not.toBe('');
      expect(holes(to).sort(), from).toEqual(holes(from).sort());
      expect(from.startsWith(' '), from).toBe(to.startsWith(' '));
      const commands = (text: string) => text.split('`').filter((_, i) => i % 2 === 1);
      expect(commands(to), from).toEqual(expect.arrayContaining(commands(from)));
      for (const flag of from.match(/--[a-z-]+( DIR| N)?/g) ?? []) expect(to, from).toContain(flag);
    }
  });

  test('gives back every sentence with its placeholders as they are', () => {
    const engine = new Engine(catalogue);
    for (const [from, to] of Object.entries({ ...catalogue.sentences, ...catalogue.system })) {
      const names = new Map(holes(from).map((hole, i) => [hole, `<${String(i)}>`]));
      const filled = (text: string) =>
        parts(text)
          .map((part) => (typeof part === 'string' ? part : names.get(part.hole)))
          .join('');
      const said = engine.say(filled(from));
      expect(said.map((s) => s.text).join(''), `${language}: ${from}`).toBe(filled(to).replaceAll('`', ''));
    }
  });
});
