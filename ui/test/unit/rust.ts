// Reads the sentences out of the Rust source that can reach people: every literal with words in it that is no
// test, no log line, no SQL and nothing to search for. More than errors, so that no helper's name must be known.

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

export interface Found {
  text: string;
  /** `file:line`. */
  at: string;
  /** The calls and macros around it in its block, the innermost first. */
  calls: string[];
}

interface Token {
  kind: 'text' | 'word' | 'mark';
  value: string;
  line: number;
}

const ESCAPES: Record<string, string> = { n: '\n', t: '\t', r: '\r', '0': '\0' };

/** What a literal stands for: a backslash at the end of a line takes the white space after it away. */
const unescaped = (text: string) =>
  text.replace(/\\(?:\n\s*|x(\w\w)|u\{(\w+)\}|([^]))/g, (_, hex?: string, long?: string, one?: string) => {
    if (hex ?? long) return String.fromCodePoint(parseInt(hex ?? long ?? '', 16));
    return one === undefined ? '' : (ESCAPES[one] ?? one);
  });

const TOKENS = new RegExp(
  [
    '\\/\\/[^\\n]*',
    '\\/\\*[^]*?\\*\\/',
    'b?r(?<hashes>#*)"(?<raw>[^]*?)"\\k<hashes>',
    '[bc]?"(?<text>(?:[^"\\\\]|\\\\[^])*)"',
    "b?'(?:\\\\[^']+|[^\\\\'])'",
    "(?<word>'?\\w+)",
    '(?<mark>[^\\s])',
  ].join('|'),
  'g',
);

export function tokens(source: string): Token[] {
  const out: Token[] = [];
  let line = 1;
  let at = 0;
  for (const found of source.matchAll(TOKENS)) {
    line += source.slice(at, found.index).split('\n').length - 1;
    at = found.index;
    const { raw, text, word, mark } = found.groups ?? {};
    if (raw !== undefined) out.push({ kind: 'text', value: raw, line });
    else if (text !== undefined) out.push({ kind: 'text', value: unescaped(text), line });
    else if (word !== undefined) out.push({ kind: 'word', value: word, line });
    else if (mark !== undefined) out.push({ kind: 'mark', value: mark, line });
  }
  return out;
}

const OPEN = new Set(['(', '[', '{']);
const CLOSE = new Set([')', ']', '}']);

/** Without what stands behind `#[cfg(test)]`; modules in files of their own are named, `./` before a path. */
export function shipped(all: Token[]): { kept: Token[]; tests: string[] } {
  const kept: Token[] = [];
  const tests: string[] = [];
  for (let i = 0; i < all.length; i++) {
    const head = all.slice(i, i + 7).map((t) => t.value).join('');
    const token = all[i];
    if (!token) continue;
    if (head !== '#[cfg(test)]' || token.kind !== 'mark') {
      kept.push(token);
      continue;
    }
    let depth = 0;
    for (i += 7; i < all.length; i++) {
      const { kind, value } = all[i] ?? { kind: 'mark', value: '' };
      if (value === 'mod' && all[i + 2]?.value === ';') tests.push(all[i + 1]?.value ?? '');
      // `#[path = "system_tests.rs"]`
      if (value === 'path' && all[i + 2]?.kind === 'text') tests.push(`./${all[i + 2]?.value ?? ''}`.replace(/\.rs$/, ''));
      if (kind !== 'mark') continue;
      if (OPEN.has(value)) depth++;
      if (CLOSE.has(value)) depth--;
      if (depth < 0) i--;
      if (depth < 0 || (depth === 0 && (value === '}' || value === ';' || value === ','))) break;
    }
  }
  return { kept, tests };
}

/** Logs, panics, places of errors (`at`), and text that is only searched for or counted. */
const ELSEWHERE = new Set(
  `debug! info! warn! error! trace! event! span! println! eprintln! print! eprint! panic! unreachable! expect
  assert! assert_eq! debug_assert! debug_assert_eq! has contains split split_once rsplit_once strip_prefix
  trim_start_matches starts_with join at ok # execute execute_batch prepare prepare_cached query_row`.split(/\s+/),
);
/** Calls of which a single word is a sentence too. */
const OF_WORDS = new Set(['io', 'failed', 'failure', 'fail', 'remedy', 'cas_error', 'damaged', 'bad']);

/** Statements, conditions and lists of columns. */
const SQL = /^\s*(SELECT|INSERT|UPDATE|DELETE|CREATE|BEGIN|WITH|PRAGMA|DROP)\b|^\w+ = \?|^\w+(, \w+){8,}$/;
const wordsOf = (text: string) => text.replace(/\{[^{}]*\}/g, ' ').match(/\p{L}{2,}/gu) ?? [];

/** The sentences of one file. */
export function sentences(file: string, source: string): { found: Found[]; tests: string[] } {
  const { kept, tests } = shipped(tokens(source));
  const found: Found[] = [];
  const around: string[] = [];
  kept.forEach((token, i) => {
    const { kind, value, line } = token;
    if (kind === 'mark' && OPEN.has(value)) {
      const before = kept[i - 1];
      const macro = before?.value === '!';
      const name = (macro ? kept[i - 2] : before)?.value ?? '';
      around.push(value === '{' && !macro ? '{' : macro ? `${name}!` : /^[\w#]+$/.test(name) ? name : '');
    } else if (kind === 'mark' && CLOSE.has(value)) around.pop();
    if (kind !== 'text' || SQL.test(value) || wordsOf(value).length === 0) return;
    const block = around.lastIndexOf('{');
    const calls = around.slice(block + 1).filter((name) => name !== '').reverse();
    const message = calls[0] === 'error' && calls.includes('#');
    if (!message && calls.some((name) => ELSEWHERE.has(name))) return;
    if (!message && !value.includes(' ') && !(OF_WORDS.has(calls[0] ?? '') && /^[\p{L}-]+$/u.test(value))) return;
    found.push({ text: value, at: `${file}:${String(line)}`, calls });
  });
  return { found, tests };
}

/** The sentences of all files beneath a folder of the repository; `not`: folders that never reach the window. */
export function sentencesBeneath(root: string, folder: string, not: string[] = []): Found[] {
  const files = readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .map((file) => `${folder}/${file.replaceAll('\\', '/')}`)
    .filter((file) => file.endsWith('.rs') && !not.some((n) => file.startsWith(`${n}/`)))
    .sort();
  const of = files.map((file) => ({ file, ...sentences(file, readFileSync(join(root, file), 'utf8')) }));
  // A module of tests is a file beside the one that names it, or a folder of that name.
  const tests = of.flatMap(({ file, tests }) => {
    const own = file.replace(/(\/mod|\/lib|\/main)?\.rs$/, '');
    const folder = file.replace(/\/[^/]*$/, '');
    return tests.map((name) => (name.startsWith('./') ? folder + name.slice(1) : `${own}/${name}`));
  });
  const isTest = (file: string) => tests.some((t) => file === `${t}.rs` || file.startsWith(`${t}/`));
  return of.filter(({ file }) => !isTest(file)).flatMap(({ found }) => found);
}
