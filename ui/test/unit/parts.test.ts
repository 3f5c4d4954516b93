import { describe, expect, test } from 'vitest';

import type { Entry, Range, Save } from '../../src/lib/api';
import { boxes, stretches, sums } from '../../src/lib/blockmap';
import { Folder, PAGE } from '../../src/lib/folder.svelte';
import { read, split, UNITS } from '../../src/lib/limits';
import { base, folder, join, pieces, plain, trail } from '../../src/lib/names';
import { later, morning } from '../../src/lib/pause';
import { totals } from '../../src/lib/saves';

describe('names', () => {
  test('what turns text around or can not be seen is shown', () => {
    expect(plain('invoice_\u202Efdp.exe')).toBe('invoice_<U+202E>fdp.exe');
    expect(plain('a\nb\u200Bc\u2066d')).toBe('a<U+000A>b<U+200B>c<U+2066>d');
    expect(plain('lone \ud800 half')).toBe('lone <U+D800> half');
  });

  test('other text stays in one piece, whatever its script', () => {
    for (const name of ['<b>x</b>', 'שלום.docx', 'e\u0301', '👩‍🚀.png', 'a.txt']) {
      expect(pieces(name)).toEqual([{ text: name, hidden: false }]);
    }
    expect(pieces('')).toEqual([]);
  });

  test('paths', () => {
    expect([base('a/b/c.txt'), base('c.txt')]).toEqual(['c.txt', 'c.txt']);
    expect([folder('a/b/c.txt'), folder('c.txt')]).toEqual(['a/b', '']);
    expect([join('', 'a'), join('a/b', 'c')]).toEqual(['a', 'a/b/c']);
    expect(trail('a/b')).toEqual([{ name: 'a', path: 'a' }, { name: 'b', path: 'a/b' }]);
    expect(trail('')).toEqual([]);
  });
});

describe('block map', () => {
  const map = (size: number, present: Range[], dirty: Range[] = [], sending: Range[] = []) =>
    stretches({ size, present, dirty, sending });

  test('tells four kinds apart, what is more urgent on top', () => {
    expect(map(100, [[10, 60]], [[20, 50]], [[30, 40]])).toEqual([
      { from: 0, to: 10, block: 'remote' },
      { from: 10, to: 20, block: 'here' },
      { from: 20, to: 30, block: 'dirty' },
      { from: 30, to: 40, block: 'sending' },
      { from: 40, to: 50, block: 'dirty' },
      { from: 50, to: 60, block: 'here' },
      { from: 60, to: 100, block: 'remote' },
    ]);
  });

  test('covers every byte once, for any ranges', () => {
    let seed = 7;
    const random = (n: number) => (seed = (seed * 1103515245 + 12345) % 2147483648) % n;
    const some = (): Range[] =>
      Array.from({ length: random(5) }, (): Range => {
        const from = random(1000);
        return [from, from + random(1000 - from + 50)];
      });
    for (let i = 0; i < 300; i++) {
      const size = 1 + random(1000);
      const all = map(size, some(), some(), some());
      expect(all[0]?.from).toBe(0);
      expect(all.at(-1)?.to).toBe(size);
      all.slice(1).forEach((s, j) => {
        expect(s.from).toBe(all[j]?.to);
        expect(s.block).not.toBe(all[j]?.block);
      });
      expect(Object.values(sums(all)).reduce((a, b) => a + b)).toBe(size);
    }
  });

  test('one byte of a terabyte can be seen, and lies inside the bar', () => {
    const size = 1e12;
    for (const at of [0, size / 2, size - 1]) {
      const dirty = boxes(map(size, [], [[at, at + 1]]), size, 1000, 4).filter((b) => b.block === 'dirty');
      expect(dirty).toHaveLength(1);
      expect(dirty[0]?.width).toBe(4);
      expect(dirty[0]?.x).toBeGreaterThanOrEqual(0);
      expect((dirty[0]?.x ?? 0) + 4).toBeLessThanOrEqual(1000);
    }
  });

  test('an empty file has no map', () => {
    expect(boxes(map(0, []), 0, 1000, 4)).toEqual([]);
  });
});

test('what saves spared', () => {
  const save = (size: number, sent: number, reread: number): Save => ({
    drive: 'a',
    path: 'b',
    at: 0,
    size,
    receipt: { changed: 1, sent, reused: 0, reread, ms: 1 },
  });
  expect(totals([save(200, 1, 2), save(50, 51, 0)])).toEqual({ saves: 2, whole: 250, sent: 52, reread: 2, spared: 196 });
  expect(totals([save(50, 60, 0)]).spared).toBe(0);
  expect(totals([]).spared).toBe(0);
});

describe('limits', () => {
  test('are shown in the unit that fits, and read back the same', () => {
    for (const bytes of [1000, 500e3, 1e6, 2.5e6, 10e9, 1.25e9]) {
      const { value, unit } = split(bytes);
      expect(value).toBeGreaterThanOrEqual(1);
      expect(read(String(value), unit)).toBe(bytes);
    }
  });

  test.each(['', ' ', '0', '-3', 'ten', 'NaN', 'Infinity'])('%j is no limit', (text) => {
    expect(read(text, UNITS[1])).toBeNull();
  });

  test('a comma is a point', () => {
    expect(read('1,5', UNITS[1])).toBe(1_500_000);
  });
});

test('a pause ends when it says', () => {
  const now = new Date(2026, 10, 30, 23, 59).getTime();
  expect(later(now, 15)).toBe((now + 900_000) * 1e6);
  expect(morning(now) / 1e6).toBe(new Date(2026, 11, 1, 8).getTime());
  expect(Number.isSafeInteger(morning(now) / 1e6)).toBe(true);
  expect(JSON.stringify(later(now, 60))).toMatch(/^\d{19}$/);
});

describe('a folder', () => {
  const entry = (i: number): Entry => ({
    name: String(i).padStart(5, '0'),
    kind: 'file',
    size: 1,
    mtime: 0,
    present: 0,
    dirty: 0,
    pinned: false,
    state: 'synced',
  });
  const server = (count: () => number) => {
    const asked: (string | null)[] = [];
    const list = (after: string | null, limit: number) => {
      asked.push(after);
      const from = after === null ? 0 : Number(after) + 1;
      const end = Math.min(count(), from + limit);
      const entries = Array.from({ length: Math.max(0, end - from) }, (_, i) => entry(from + i));
      return Promise.resolve({ entries, more: end < count() });
    };
    return { asked, list };
  };

  test('comes page by page, each after the last name', async () => {
    const { asked, list } = server(() => 450);
    const f = new Folder(list);
    await f.refresh();
    expect([f.entries.length, f.more, f.known]).toEqual([PAGE, true, true]);
    await f.next();
    await f.next();
    expect(f.entries.map((e) => Number(e.name))).toEqual(Array.from({ length: 450 }, (_, i) => i));
    expect(f.more).toBe(false);
    expect(asked).toEqual([null, '00199', '00399']);
  });

  test('asked anew it keeps as much as it had', async () => {
    let count = 2500;
    const { list } = server(() => count);
    const f = new Folder(list);
    await f.refresh();
    await f.next();
    await f.refresh();
    expect([f.entries.length, f.more]).toEqual([400, true]);
    count = 150;
    await f.refresh();
    expect([f.entries.length, f.more]).toEqual([150, false]);
  });

  test('two wishes at once lead to no page twice', async () => {
    const { list } = server(() => 600);
    const f = new Folder(list);
    await f.refresh();
    await Promise.all([f.next(), f.next(), f.next()]);
    const names = f.entries.map((e) => e.name);
    expect(new Set(names).size).toBe(names.length);
    expect(names.length).toBeGreaterThanOrEqual(2 * PAGE);
  });

  test('says what went wrong, and forgets that once it goes well', async () => {
    let broken = true;
    const f = new Folder(() =>
      broken ? Promise.reject({ kind: 'offline', cause: 'no route' }) : Promise.resolve({ entries: [], more: false }),
    );
    await f.refresh();
    expect(f.wrong).toEqual({ kind: 'offline', cause: 'no route', remedy: null, path: null });
    broken = false;
    await f.refresh();
    expect(f.wrong).toBeNull();
  });
});
