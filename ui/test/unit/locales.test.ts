import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

import { describe, expect, test } from 'vitest';

import { LANGUAGES, type Message } from '../../src/lib/lang';

const src = join(import.meta.dirname, '../../src');
const en = LANGUAGES['en'] ?? {};

/** All of the page's own text, without the invented drives and the locales. */
const code = readdirSync(src, { recursive: true, encoding: 'utf8' })
  .filter((file) => /\.(ts|svelte)$/.test(file) && !file.includes('demo'))
  .map((file) => readFileSync(join(src, file), 'utf8'))
  .join('\n');

const forms = (message: Message): string[] => (typeof message === 'string' ? [message] : Object.values(message));
const holes = (text: string): string[] => [...text.matchAll(/\{(\w+)\}/g)].map((m) => m[1] ?? '').sort();

test('there are English and German', () => {
  expect(Object.keys(LANGUAGES)).toEqual(expect.arrayContaining(['de', 'en']));
  expect(Object.keys(en).length).toBeGreaterThan(100);
});

test('no key is unused', () => {
  const unused = Object.keys(en).filter((key) => !code.includes(`'${key}'`));
  expect(unused).toEqual([]);
});

test('no key that the code names is missing', () => {
  const named = [...code.matchAll(/\bt\(\s*'([^']+)'/g)].map((m) => m[1] ?? '');
  expect(named.length).toBeGreaterThan(80);
  expect(named.filter((key) => !(key in en))).toEqual([]);
});

describe.each(Object.keys(LANGUAGES))('%s', (language) => {
  const messages = LANGUAGES[language] ?? {};

  test('has the keys of English, no more and no less', () => {
    expect(Object.keys(messages).sort()).toEqual(Object.keys(en).sort());
  });

  test('says something everywhere, with the same holes', () => {
    for (const [key, message] of Object.entries(messages)) {
      const wanted = [...new Set(forms(en[key] ?? '').flatMap(holes))].filter((h) => h !== 'n');
      for (const text of forms(message)) {
        expect(text.trim(), key).not.toBe('');
        expect(holes(text).filter((h) => h !== 'n'), key).toEqual(wanted);
      }
    }
  });

  test('has every plural that the language tells apart', () => {
    const { pluralCategories } = new Intl.PluralRules(language).resolvedOptions();
    for (const [key, message] of Object.entries(messages)) {
      if (typeof message === 'string') expect(holes(message), `${key} counts without plurals`).not.toContain('n');
      else expect(Object.keys(message).sort(), key).toEqual([...pluralCategories].sort());
    }
  });
});
