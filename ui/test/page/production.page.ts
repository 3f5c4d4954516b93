// What is shipped: no demo, nothing inline, no address of elsewhere.

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

import { expect, test } from 'vitest';

const root = join(import.meta.dirname, '../..');
const files = (dir: string) =>
  readdirSync(join(root, dir), { recursive: true, withFileTypes: true })
    .filter((e) => e.isFile())
    .map((e) => ({ name: e.name, text: readFileSync(join(e.parentPath, e.name), 'utf8') }));

/** Words that only src/lib/demo has; the first test sees that they would be found. */
const DEMO = ['lacunaDemo', 'Lisbon, final cut', '/media/mara'];

test('the demo is in the demo build', () => {
  const all = files('dist-demo').map((f) => f.text).join('\n');
  for (const word of DEMO) expect(all).toContain(word);
});

test('the demo is not in what is shipped', () => {
  const shipped = files('dist');
  expect(shipped.length).toBeGreaterThan(2);
  for (const { name, text } of shipped) {
    for (const word of DEMO) expect(text.includes(word), `${name} holds ${word}`).toBe(false);
  }
});

test('the page needs nothing inline and nothing from elsewhere', () => {
  const html = readFileSync(join(root, 'dist/index.html'), 'utf8');
  expect(html).not.toMatch(/<style|<script(?![^>]*\bsrc=)[^>]*>|\bon\w+=|\bstyle=/i);
  expect(html.match(/(src|href)="[^"]*"/g)?.every((a) => /="\.\//.test(a))).toBe(true);
  for (const { name, text } of files('dist')) {
    // Names of XML, and pages that Svelte's messages name, are not asked for.
    const addresses = [...text.matchAll(/https?:\/\/[a-z0-9.-]+/gi)].map((m) => m[0]);
    // The last one stands in a sentence of the engine's, as an example; nothing is asked there.
    const known = ['http://www.w3.org', 'https://svelte.dev', 'https://huggingface.co'];
    expect(addresses.filter((a) => !known.includes(a)), name).toEqual([]);
    expect(text, name).not.toMatch(/\beval\(|new Function\(/);
  }
});

test('the lock file names no registry', () => {
  const lock = readFileSync(join(root, 'package-lock.json'), 'utf8');
  expect(lock).not.toContain('"resolved"');
  expect(lock.match(/"integrity"/g)?.length).toBeGreaterThan(100);
});

test('versions are exact', () => {
  const { dependencies, devDependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as Record<
    string,
    Record<string, string>
  >;
  for (const [name, version] of Object.entries({ ...dependencies, ...devDependencies }))
    expect(version, name).toMatch(/^\d+\.\d+\.\d+$/);
});
