// What the engine says, in the page's language. The engine speaks English in its answers as in its log; a
// file in src/locales/engine maps its sentences, as they stand in the Rust source, to another language.

import { commands } from './words';

/** One language's sentences. Keys are the literals of the source, with their placeholders. */
export interface Catalogue {
  /** What was being done when something failed: a colon and the cause follow. */
  doing: Record<string, string>;
  sentences: Record<string, string>;
  /** What the operating system says, by way of Rust's `io::Error` and `io::ErrorKind`. */
  system: Record<string, string>;
}

/** A piece of what is shown, always as text. */
export interface Said {
  text: string;
  /** A name, an address or a number that the engine has put in: unchanged. */
  name: boolean;
  /** A command. */
  code: boolean;
  /** Not translated: as the engine says it. */
  english: boolean;
}

/** A literal piece, or a placeholder by its name or number. */
type Part = string | { hole: string };

interface Pattern {
  regexp: RegExp;
  holes: string[];
  /** Those of them that only add to a word: `agent{pid}`. They may be empty. */
  additions: Set<string>;
  /** How many of its characters are no placeholder. */
  literal: number;
  to: Part[];
}

interface Hit {
  score: number;
  said: Said[];
}

/** Placeholders that hold another sentence; all others hold names and numbers. The same in all languages. */
export const SENTENCES = new Set(['cause', 'e', 'install', 'said', 'what', 'who', 'why']);
/** Placeholders that hold a path or, where there is none, a word for it. */
const PLACES = new Set(['place']);

/** How the engine joins sentences: what is between them and what closes the second one. */
const JOINS: [string, string][] = [
  [': ', ''],
  ['; ', ''],
  [' (', ')'],
];

/** The longest text that is looked at, in characters, and at how many parts of it: it may come from anywhere. */
const LONGEST = 1000;
const MOST = 800;

const HOLE = /\{\{|\}\}|\{(\w*)(?::[^{}]*)?\}/g;

/** A template as Rust has it: `{}` is numbered from 0, `{name:?}` is `{name}`, `{{` is a brace. */
export function parts(template: string): Part[] {
  const out: Part[] = [];
  let at = 0;
  let next = 0;
  const put = (text: string) => {
    const last = out.length - 1;
    if (text === '') return;
    if (typeof out[last] === 'string') out[last] += text;
    else out.push(text);
  };
  for (const found of template.matchAll(HOLE)) {
    put(template.slice(at, found.index));
    at = found.index + found[0].length;
    if (found[0] === '{{' || found[0] === '}}') put(found[0].slice(1));
    else out.push({ hole: found[1] === '' ? String(next++) : (found[1] ?? '') });
  }
  put(template.slice(at));
  return out;
}

/** A template without placeholders as it is said. */
const plain = (template: string) => parts(template).join('');

const escaped = (text: string) => text.replace(/[.*+?^${}()|[\]\\/]/g, '\\$&');

function pattern(from: string, to: string): Pattern {
  const source = parts(from);
  const holes: string[] = [];
  const additions = new Set<string>();
  let literal = 0;
  const regexp = source.map((part, i) => {
    if (typeof part === 'string') {
      literal += part.length;
      return escaped(part);
    }
    const known = holes.indexOf(part.hole);
    if (known >= 0) return `\\${String(known + 1)}`;
    holes.push(part.hole);
    const before = source[i - 1];
    if (typeof before !== 'string' || !/\p{L}$/u.test(before)) return '([^]+?)';
    additions.add(part.hole);
    return '([^]*?)';
  });
  return { regexp: new RegExp(`^${regexp.join('')}$`), holes, additions, literal, to: parts(to) };
}

/** Literal text with the commands in it apart; `code`: it begins in one. */
const pieces = (text: string, english: boolean, code = false): Said[] =>
  commands(text)
    .map((piece, i) => ({ text: piece, name: false, code: (i % 2 === 1) !== code, english }))
    .filter((piece) => piece.text !== '');

export class Engine {
  readonly #exact = new Map<string, string>();
  readonly #doing: Pattern[] = [];
  readonly #patterns: Pattern[] = [];
  readonly #said = new Map<string, Said[]>();
  /** Of the text that is being looked at. */
  readonly #known = new Map<string, Hit | null>();

  /** `own`: sentences that are the app's and not the engine's, each with what stands for it here. */
  constructor(catalogue: Catalogue, own: [string, string][] = []) {
    const all = [...own, ...Object.entries(catalogue.sentences), ...Object.entries(catalogue.system)];
    for (const [from, to] of all) this.#add(from, to, this.#patterns);
    for (const [from, to] of Object.entries(catalogue.doing)) this.#add(from, to, this.#doing);
  }

  #add(from: string, to: string, patterns: Pattern[]): void {
    if (parts(from).some((part) => typeof part !== 'string')) patterns.push(pattern(from, to));
    else this.#exact.set(plain(from), plain(to));
  }

  /** What the engine says, in pieces; what is not known stays as it is. */
  say(text: string): Said[] {
    const before = this.#said.get(text);
    if (before) return before;
    this.#known.clear();
    const hit = text.length > LONGEST ? null : this.#find(text);
    const out = hit?.said ?? pieces(text, true);
    if (this.#said.size >= 200) this.#said.clear();
    this.#said.set(text, out);
    return out;
  }

  #find(text: string): Hit | null {
    const exact = this.#exact.get(text);
    if (exact !== undefined) return { score: text.length, said: pieces(exact, false) };
    const known = this.#known.get(text);
    if (known !== undefined) return known;
    if (text === '' || this.#known.size >= MOST) return null;
    this.#known.set(text, null);
    // A whole sentence first: a name at its end may hold what looks like a join.
    const hit = this.#best(this.#patterns, text) ?? this.#joined(text);
    this.#known.set(text, hit);
    return hit;
  }

  /** The pattern of which most stands in the text. */
  #best(patterns: Pattern[], text: string): Hit | null {
    let best: Hit | null = null;
    for (const pattern of patterns) {
      const values = pattern.regexp.exec(text);
      if (!values) continue;
      const hit = this.#filled(pattern, values.slice(1));
      if (!best || hit.score > best.score) best = hit;
    }
    return best;
  }

  #filled({ holes, additions, literal, to }: Pattern, values: string[]): Hit {
    let score = literal;
    let code = false;
    const said: Said[] = [];
    for (const part of to) {
      if (typeof part === 'string') {
        said.push(...pieces(part, false, code));
        if (commands(part).length % 2 === 0) code = !code;
        continue;
      }
      const value = values[holes.indexOf(part.hole)] ?? '';
      if (value === '') continue;
      const word = PLACES.has(part.hole) ? this.#exact.get(value) : undefined;
      const sentence = SENTENCES.has(part.hole);
      const inner = sentence || additions.has(part.hole) ? this.#find(value) : null;
      score += inner?.score ?? 0;
      if (word !== undefined) said.push(...pieces(word, false, code));
      else if (inner) said.push(...inner.said);
      else if (sentence) said.push(...pieces(value, true));
      else said.push({ text: value, name: true, code, english: false });
    }
    return { score, said };
  }

  /** Two sentences joined, split where most of them is known. */
  #joined(text: string): Hit | null {
    let best: Hit | null = null;
    for (const [between, close] of JOINS) {
      if (!text.endsWith(close)) continue;
      const end = text.length - close.length;
      for (let at = text.indexOf(between); at >= 0; at = text.indexOf(between, at + 1)) {
        const left = text.slice(0, at);
        const right = text.slice(at + between.length, end);
        if (left === '' || right === '') continue;
        const doing = between === ': ' ? this.#best(this.#doing, left) : null;
        const whole = this.#find(left);
        const one = doing && doing.score > (whole?.score ?? 0) ? doing : whole;
        const two = this.#find(right);
        const score = (one?.score ?? 0) + (two?.score ?? 0);
        if (score === 0 || (best && score <= best.score)) continue;
        const said = [
          ...(one?.said ?? pieces(left, true)),
          ...pieces(between, false),
          ...(two?.said ?? pieces(right, true)),
          ...pieces(close, false),
        ];
        best = { score, said };
      }
    }
    return best;
  }
}

const files = import.meta.glob<{ default: Catalogue }>('../locales/engine/*.json', { eager: true });
const words = import.meta.glob<{ default: Record<string, string> }>('../../../src-tauri/words/*.json', {
  eager: true,
});

const language = (file: string) => file.replace(/^.*\/(.*)\.json$/, '$1');
const none: Catalogue = { doing: {}, sentences: {}, system: {} };

/** All catalogues there are, by their language. */
export const CATALOGUES: Record<string, Catalogue> = Object.fromEntries(
  Object.entries(files).map(([file, module]) => [language(file), module.default]),
);

/** The keys of the app's words that are causes and remedies. */
const OWN = /^(agent|no|not|start)-/;

/** The app's own causes and remedies, which come in the app's language, each with the words of this one. */
function own(code: string): [string, string][] {
  const tables = Object.entries(words).map(([file, module]) => ({ code: language(file), table: module.default }));
  const here = tables.find((t) => t.code === code)?.table ?? {};
  return tables.flatMap(({ table }) =>
    Object.entries(table)
      .filter(([key]) => OWN.test(key))
      .flatMap(([key, text]): [string, string][] => (here[key] === undefined ? [] : [[text, here[key]]])),
  );
}

const engines = new Map<string, Engine>();

/** What the engine or the app says, for a page in this language. */
export function said(code: string, text: string): Said[] {
  const engine = engines.get(code) ?? new Engine(CATALOGUES[code] ?? none, own(code));
  engines.set(code, engine);
  return engine.say(text);
}
