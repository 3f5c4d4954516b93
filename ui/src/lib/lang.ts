// Words, numbers, sizes and times of one language. A language is a file in src/locales, nothing else.

import en from '../locales/en.json';
import { plain } from './names';

export type Key = keyof typeof en;
export type Message = string | Partial<Record<Intl.LDMLPluralRule, string>>;
export type Messages = Record<string, Message>;
export type Args = Record<string, string | number>;

const files = import.meta.glob<{ default: Messages }>('../locales/*.json', { eager: true });

/** All languages there are, by their code. */
export const LANGUAGES: Record<string, Messages> = Object.fromEntries(
  Object.entries(files).map(([file, module]) => [file.replace(/^.*\/(.*)\.json$/, '$1'), module.default]),
);

/** Holes for names from outside, which may hold characters that turn the sentence around. */
const NAMES = new Set(['drive', 'place', 'user']);

const primary = (tag: string) => tag.split(/[-_]/)[0]?.toLowerCase() ?? '';

/** A tag that Intl takes: `de_DE.UTF-8` is how some systems write `de-DE`, `C` is no language. */
function tag(locale: string, otherwise: string): string {
  try {
    return Intl.getCanonicalLocales(locale.replace(/[.@].*$/, '').replace('_', '-'))[0] ?? otherwise;
  } catch {
    return otherwise;
  }
}

/** The language to use and how to write numbers in it, of the choice and the desktop's own language. */
export function choose(choice: string, desktop: string): { language: string; locale: string } {
  const own = primary(desktop);
  const wanted = choice === 'system' ? own : choice;
  const language = wanted in LANGUAGES ? wanted : 'en';
  return { language, locale: language === own ? tag(desktop, language) : language };
}

const SIZES = ['kilobyte', 'megabyte', 'gigabyte', 'terabyte', 'petabyte'];

/** A value and a step of a decimal ladder, with 999.5 and more already one step up. */
function scale(bytes: number): { value: number; step: number } {
  let value = bytes / 1e3;
  let step = 0;
  while (value >= 999.5 && step + 1 < SIZES.length) {
    value /= 1e3;
    step += 1;
  }
  return { value, step };
}

export class Lang {
  readonly messages: Messages;
  readonly #plural: Intl.PluralRules;
  readonly #numbers = new Map<string, Intl.NumberFormat>();

  constructor(
    readonly language: string,
    readonly locale: string = language,
  ) {
    this.messages = LANGUAGES[language] ?? en;
    this.#plural = new Intl.PluralRules(locale);
  }

  /** The message of a key. `{n}` chooses the plural; numbers are written as the language writes them. */
  readonly t = (key: Key, args: Args = {}): string => {
    const message: Message = this.messages[key] ?? en[key];
    const { n } = args;
    const text =
      typeof message === 'string'
        ? message
        : (message[this.#plural.select(Number(n ?? 0))] ?? message.other ?? key);
    return text.replace(/\{(\w+)\}/g, (whole, name: string) => {
      const value = args[name];
      if (value === undefined) return whole;
      if (typeof value === 'number') return this.number(value);
      return NAMES.has(name) ? plain(value) : value;
    });
  };

  #format(options: Intl.NumberFormatOptions): Intl.NumberFormat {
    const key = JSON.stringify(options);
    const known = this.#numbers.get(key) ?? new Intl.NumberFormat(this.locale, options);
    this.#numbers.set(key, known);
    return known;
  }

  readonly number = (n: number): string => this.#format({}).format(n);

  readonly percent = (part: number): string =>
    this.#format({ style: 'percent', maximumFractionDigits: 0 }).format(part);

  /** `999 bytes`, `1.2 kB`, `34 MB`: decimal units, as file managers and `lacuna status` use. */
  readonly bytes = (bytes: number): string => {
    if (bytes < 1000) return this.#unit(bytes, 'byte', 'long');
    const { value, step } = scale(bytes);
    return this.#unit(value, SIZES[step] ?? 'byte');
  };

  /** `1.2 MB/s`. */
  readonly rate = (bytes: number): string => {
    const { value, step } = scale(bytes);
    return this.#unit(value, `${SIZES[step] ?? 'byte'}-per-second`);
  };

  #unit(value: number, unit: string, unitDisplay: 'short' | 'long' = 'short'): string {
    const maximumFractionDigits = value < 9.95 && value !== Math.round(value) ? 1 : 0;
    return this.#format({ style: 'unit', unit, unitDisplay, maximumFractionDigits }).format(value);
  }

  /** A length of time: `0.3 sec`, `12 sec`, `42 min`, `1 hr 30 min`, `3 days`. */
  readonly duration = (ms: number): string => {
    const s = ms / 1000;
    if (s < 9.95) return this.#unit(Math.round(s * 10) / 10, 'second');
    if (s < 59.5) return this.#unit(Math.round(s), 'second');
    const minutes = Math.round(s / 60);
    if (minutes < 60) return this.#unit(minutes, 'minute');
    const hours = Math.floor(minutes / 60);
    if (hours < 24) {
      const rest = minutes % 60;
      const h = this.#unit(hours, 'hour');
      return rest === 0 ? h : `${h} ${this.#unit(rest, 'minute')}`;
    }
    return this.#unit(Math.round(hours / 24), 'day', 'long');
  };

  /** How long ago something was, in words: `5 minutes ago`, `yesterday`. */
  readonly ago = (at: number, now: number): string => {
    const s = Math.min(0, (at - now) / 1000);
    const format = new Intl.RelativeTimeFormat(this.locale, { numeric: 'auto' });
    if (s > -45) return format.format(0, 'second');
    if (s > -3570) return format.format(Math.min(-1, Math.round(s / 60)), 'minute');
    if (s > -84_600) return format.format(Math.min(-1, Math.round(s / 3600)), 'hour');
    return format.format(Math.min(-1, Math.round(s / 86_400)), 'day');
  };

  readonly moment = (at: number): string =>
    new Intl.DateTimeFormat(this.locale, { dateStyle: 'medium', timeStyle: 'short' }).format(at);

  readonly day = (at: number): string =>
    new Intl.DateTimeFormat(this.locale, { dateStyle: 'medium' }).format(at);

  readonly list = (items: string[]): string =>
    new Intl.ListFormat(this.locale, { type: 'conjunction', style: 'narrow' }).format(items);

  /** The name of a language, in itself. */
  readonly languageName = (code: string): string =>
    new Intl.DisplayNames([code], { type: 'language' }).of(code) ?? code;
}

/** Nanoseconds since 1970, as the protocol has times, in milliseconds. */
export const millis = (ns: number): number => ns / 1e6;
