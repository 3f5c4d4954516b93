import { describe, expect, test } from 'vitest';

import { choose, Lang, millis } from '../../src/lib/lang';

const en = new Lang('en', 'en-GB');
const de = new Lang('de', 'de-DE');
/** Without the spaces that do not break, which Intl puts in as it likes. */
const plain = (text: string) => text.replace(/[\u00a0\u202f]/g, ' ');

test.each([
  [0, '0 bytes', '0 Byte'],
  [1, '1 byte', '1 Byte'],
  [999, '999 bytes', '999 Byte'],
  [1000, '1 kB', '1 kB'],
  [1240, '1.2 kB', '1,2 kB'],
  [9949, '9.9 kB', '9,9 kB'],
  [9951, '10 kB', '10 kB'],
  [142_000, '142 kB', '142 kB'],
  [999_499, '999 kB', '999 kB'],
  [999_500, '1 MB', '1 MB'],
  [200e6, '200 MB', '200 MB'],
  [4.1e9, '4.1 GB', '4,1 GB'],
  [3e12, '3 TB', '3 TB'],
])('%d bytes', (bytes, english, german) => {
  expect(plain(en.bytes(bytes))).toBe(english);
  expect(plain(de.bytes(bytes))).toBe(german);
});

test.each([
  [0, '0 kB/s'],
  [400, '0.4 kB/s'],
  [2.4e6, '2.4 MB/s'],
])('%d bytes a second', (bytes, text) => {
  expect(plain(en.rate(bytes))).toBe(text);
});

test.each([
  [0, '0 secs', '0 Sek.'],
  [300, '0.3 secs', '0,3 Sek.'],
  [9960, '10 secs', '10 Sek.'],
  [12_000, '12 secs', '12 Sek.'],
  [59_600, '1 min', '1 Min.'],
  [42 * 60_000, '42 mins', '42 Min.'],
  [3_600_000, '1 hr', '1 Std.'],
  [5_400_000, '1 hr 30 mins', '1 Std. 30 Min.'],
  [3 * 86_400_000, '3 days', '3 Tage'],
])('%d ms', (ms, english, german) => {
  expect(plain(en.duration(ms))).toBe(english);
  expect(plain(de.duration(ms))).toBe(german);
});

describe('how long ago', () => {
  const now = 1_800_000_000_000;
  test.each([
    [0, 'now', 'jetzt'],
    [-20, 'now', 'jetzt'],
    [44, 'now', 'jetzt'],
    [50, '1 minute ago', 'vor 1 Minute'],
    [300, '5 minutes ago', 'vor 5 Minuten'],
    [3600, '1 hour ago', 'vor 1 Stunde'],
    [86_400, 'yesterday', 'gestern'],
    [5 * 86_400, '5 days ago', 'vor 5 Tagen'],
  ])('%d seconds', (s, english, german) => {
    expect(en.ago(now - s * 1000, now)).toBe(english);
    expect(de.ago(now - s * 1000, now)).toBe(german);
  });
});

test('plurals follow the number, and numbers are written as the language does', () => {
  expect(en.t('pending.changes', { n: 1 })).toBe('One change waiting');
  expect(en.t('pending.changes', { n: 2347 })).toBe('2,347 changes waiting');
  expect(de.t('pending.changes', { n: 0 })).toBe('0 Änderungen warten');
  expect(de.t('pending.changes', { n: 2347 })).toBe('2.347 Änderungen warten');
});

test('what stands in a name is never taken for a hole', () => {
  expect(en.t('remove.title', { drive: '{place} $& {n}' })).toBe('Remove {place} $& {n}');
});

test.each([
  ['system', 'de-AT', 'de', 'de-AT'],
  ['system', 'de_DE.UTF-8', 'de', 'de-DE'],
  ['system', 'fr-FR', 'en', 'en'],
  ['system', 'C', 'en', 'en'],
  ['system', '', 'en', 'en'],
  ['en', 'de-DE', 'en', 'en'],
  ['en', 'en-AU', 'en', 'en-AU'],
  ['de', 'en-GB', 'de', 'de'],
  ['xx', 'de-DE', 'en', 'en'],
])('the choice %s on a desktop in %s', (choice, desktop, language, locale) => {
  expect(choose(choice, desktop)).toEqual({ language, locale });
  expect(() => new Lang(language, locale)).not.toThrow();
});

test('the protocol counts nanoseconds', () => {
  expect(millis(1_795_000_000_000_000_000)).toBe(1_795_000_000_000);
});
