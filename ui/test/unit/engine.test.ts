// The engine's sentences are found again in what it says, joined and nested as it joins them.

import { describe, expect, test } from 'vitest';

import { STATES } from '../../src/lib/demo/states';
import { Engine, parts, said, type Catalogue, type Said } from '../../src/lib/engine';

const catalogue: Catalogue = {
  doing: {
    'opening the bucket': 'beim Öffnen',
    'reading {}': 'beim Lesen von {0}',
    'reading the bytes': 'beim Lesen der Bytes',
    '{} did not work': '{0} ging nicht',
  },
  sentences: {
    'no space': 'kein Platz',
    'no space at all': 'gar kein Platz',
    'try again': 'noch einmal',
    'try `lacuna x` again': 'noch einmal mit `lacuna x`',
    'the bucket': 'das Bucket',
    'make room on {place}': 'machen Sie Platz auf {place}',
    'make one with: init {}': 'legen Sie an: init {0}',
    'the folder is not empty: it holds {name:?}': 'nicht leer: {name}',
    "unpin '{}' first": '„{0}“ zuerst',
    "unpin '{by}'": '„{by}“ lösen',
    'it failed: {e}': 'es misslang: {e}',
    '{what} is damaged: {why}': '{what} ist beschädigt: {why}',
    'commit {number}': 'Commit {number}',
    'commit {} is not {}': '{1} ist nicht Commit {0}',
    'another agent{pid} has it': 'ein anderer Dienst{pid} hat es',
    ' (process {pid})': ' (Prozess {pid})',
    "umount '{0}' or umount -l '{0}'": "umount '{0}' oder umount -l '{0}'",
    'run `rm {file}` now': 'jetzt `rm {file}`',
    'a {{b}} [c] (d)?': 'A {{B}} [C] (D)?',
    'check; then go on': 'prüfen; dann weiter',
  },
  system: { 'No space left on device (os error {code})': 'Platte voll (Fehler {code})' },
};
const engine = new Engine(catalogue, [['Der Dienst {log}', 'Der Dienst {log}']]);

const text = (pieces: Said[]) => pieces.map((s) => s.text).join('');
const english = (pieces: Said[]) => pieces.filter((s) => s.english).map((s) => s.text);
const names = (pieces: Said[]) => pieces.filter((s) => s.name).map((s) => s.text);

describe('what is known is translated', () => {
  test.each([
    ['no space', 'kein Platz'],
    ['no space at all', 'gar kein Platz'],
    ["unpin 'a.txt' first", '„a.txt“ zuerst'],
    ["unpin 'a.txt'", '„a.txt“ lösen'],
    ['the folder is not empty: it holds "a b"', 'nicht leer: "a b"'],
    ['No space left on device (os error 28)', 'Platte voll (Fehler 28)'],
    ['commit 3 is not abc', 'abc ist nicht Commit 3'],
    ['a {b} [c] (d)?', 'A {B} [C] (D)?'],
    ['make room on /srv/b', 'machen Sie Platz auf /srv/b'],
    ['make room on the bucket', 'machen Sie Platz auf das Bucket'],
    ['another agent has it', 'ein anderer Dienst hat es'],
    ['another agent (process 8) has it', 'ein anderer Dienst (Prozess 8) hat es'],
    ["umount '/a' or umount -l '/a'", "umount '/a' oder umount -l '/a'"],
    ['Der Dienst /tmp/log', 'Der Dienst /tmp/log'],
    // Sentences in sentences.
    ['it failed: no space', 'es misslang: kein Platz'],
    ['it failed: it failed: No space left on device (os error 28)', 'es misslang: es misslang: Platte voll (Fehler 28)'],
    ['commit 12 is damaged: no space', 'Commit 12 ist beschädigt: kein Platz'],
    // Sentences that the engine joins.
    ['opening the bucket: no space', 'beim Öffnen: kein Platz'],
    ['opening the bucket: No space left on device (os error 28)', 'beim Öffnen: Platte voll (Fehler 28)'],
    ['opening the bucket: commit 3 is damaged: no space', 'beim Öffnen: Commit 3 ist beschädigt: kein Platz'],
    ['reading ab12: no space', 'beim Lesen von ab12: kein Platz'],
    ['reading the bytes: no space', 'beim Lesen der Bytes: kein Platz'],
    ['/usr/bin/x did not work: no space', '/usr/bin/x ging nicht: kein Platz'],
    ['no space; try again', 'kein Platz; noch einmal'],
    ['no space (try again)', 'kein Platz (noch einmal)'],
    ['check; then go on', 'prüfen; dann weiter'],
  ])('%s', (from, to) => {
    const pieces = engine.say(from);
    expect(text(pieces)).toBe(to);
    expect(english(pieces)).toEqual([]);
  });
});

describe('what is not known stays, and is said to be English', () => {
  test.each<[string, string, string[]]>([
    ['something new', 'something new', ['something new']],
    ['', '', []],
    ['no space here', 'no space here', ['no space here']],
    ['No space', 'No space', ['No space']],
    ["umount '/a' or umount -l '/b'", "umount '/a' or umount -l '/b'", ["umount '/a' or umount -l '/b'"]],
    ["unpin ''", "unpin ''", ["unpin ''"]],
    ['it failed: expected value at line 1', 'es misslang: expected value at line 1', ['expected value at line 1']],
    ['something new: no space', 'something new: kein Platz', ['something new']],
    ['opening the bucket: something new', 'beim Öffnen: something new', ['something new']],
    ['photos: a/b.txt: no space (try again); docs: no space', 'photos: a/b.txt: kein Platz (noch einmal); docs: kein Platz', ['photos', 'a/b.txt', 'docs']],
    ['reading ab12', 'reading ab12', ['reading ab12']],
  ])('%s', (from, to, left) => {
    const pieces = engine.say(from);
    expect(text(pieces)).toBe(to);
    expect(english(pieces)).toEqual(left);
  });

  test('however long it is', () => {
    const long = 'a: b; c ('.repeat(5000);
    expect(text(engine.say(long))).toBe(long);
    const joined = 'a: b; c (d): '.repeat(70);
    expect(text(engine.say(joined))).toBe(joined);
    expect(text(engine.say(`${joined}no space`))).toContain('kein Platz');
  });
});

describe('names come out as they went in', () => {
  test.each([
    "a' first",
    '{place}',
    '$1 $& \\1',
    '<b>&amp;</b>',
    'no space',
    'it failed: no space',
    'x: no space',
    'x (try again)',
    'try again; no space',
    '`rm`',
    'a\nb',
    'a\u202eb',
    ' ',
    '日本',
  ])('%j', (name) => {
    const first = engine.say(`unpin '${name}' first`);
    expect(names(first)).toEqual([name]);
    expect(text(first)).toBe(`„${name}“ zuerst`);
    const last = engine.say(`make one with: init ${name}`);
    expect(names(last)).toEqual([name]);
    expect(text(last)).toBe(`legen Sie an: init ${name}`);
    expect([...first, ...last].filter((s) => s.code || s.english)).toEqual([]);
  });

  test('of a place all of it, or nothing', () => {
    expect(names(engine.say('make room on the bucket'))).toEqual([]);
    expect(names(engine.say('make room on /the bucket: no space'))).toEqual(['/the bucket: no space']);
  });
});

describe('two sentences that fit', () => {
  test.each([
    ["unpin 'a' first", '„a“ zuerst'],
    ['no space at all', 'gar kein Platz'],
    ['commit a is not b', 'b ist nicht Commit a'],
    ['commit a is damaged: no space', 'Commit a ist beschädigt: kein Platz'],
  ])('%s: more of it stands in the text', (from, to) => {
    expect(text(engine.say(from))).toBe(to);
  });
});

test('commands are told apart, with the names in them', () => {
  const pieces = (from: string) => engine.say(from).map((s) => [s.text, s.code, s.name]);
  expect(pieces('try `lacuna x` again')).toEqual([
    ['noch einmal mit ', false, false],
    ['lacuna x', true, false],
  ]);
  expect(pieces('run `rm a b` now')).toEqual([
    ['jetzt ', false, false],
    ['rm ', true, false],
    ['a b', true, true],
  ]);
  expect(pieces('new: run `y z` now')).toEqual([
    ['new: run ', false, false],
    ['y z', true, false],
    [' now', false, false],
  ]);
});

test.each([
  ['a {} b {}', ['a ', { hole: '0' }, ' b ', { hole: '1' }]],
  ['{0}{name:?}{x:016x}', [{ hole: '0' }, { hole: 'name' }, { hole: 'x' }]],
  ['{{a}} {b}', ['{a} ', { hole: 'b' }]],
  ['', []],
])('the placeholders of %j', (template, expected) => {
  expect(parts(template)).toEqual(expected);
});

describe('in the page', () => {
  test('German says what the engine says', () => {
    const pieces = said('de', 'making the bucket: No space left on device (os error 28)');
    expect(text(pieces)).toBe('beim Anlegen des Buckets: Kein Platz mehr auf der Platte (Fehler 28)');
    expect(english(pieces)).toEqual([]);
    expect(text(said('de', "this name is in use by the drive 'photos' (store:/srv/b)"))).toBe(
      'diesen Namen benutzt das Laufwerk „photos“ (store:/srv/b)',
    );
    expect(text(said('de', 'the drive is not mounted: the bucket is damaged: it has no seal'))).toBe(
      'das Laufwerk ist nicht eingehängt: das Bucket ist beschädigt: das Siegel fehlt',
    );
  });

  test('the app speaks for itself, in whichever of its languages', () => {
    const own = 'Er wird von selbst wieder gestartet; sein Protokoll ist /home/x/agent.log';
    expect(text(said('de', own))).toBe(own);
    expect(english(said('de', own))).toEqual([]);
    expect(names(said('de', own))).toEqual(['/home/x/agent.log']);
    expect(english(said('de', 'the agent does not listen yet'))).toEqual([]);
  });

  test('all that the invented drives say is known', () => {
    const drives = Object.values(STATES).flatMap((state) => state());
    const told = drives.flatMap((d) => [
      ...d.problems.flatMap((p) => [p.title, p.cause, p.remedy]),
      ...d.queue.flatMap((i) => i.why ?? []),
    ]);
    expect(told.length).toBeGreaterThan(10);
    expect(told.flatMap((sentence) => english(said('de', sentence)))).toEqual([]);
  });

  test('English stays', () => {
    const own = 'make room on the disk that holds /a';
    expect(text(said('en', own))).toBe(own);
  });
});
