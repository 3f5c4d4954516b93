import { describe, expect, test } from 'vitest';

import { move, reveal, rows } from '../../src/lib/virtual';

describe('the window of rows', () => {
  test('holds every visible row and only a few more, wherever it is scrolled to', () => {
    const [height, row, count] = [500, 58, 1000];
    for (let scroll = 0; scroll <= row * count - height; scroll += 37) {
      const w = rows(scroll, height, row, count);
      expect(w.first * row).toBeLessThanOrEqual(scroll);
      expect(w.end * row).toBeGreaterThanOrEqual(Math.min(scroll + height, count * row));
      expect(w.end - w.first).toBeLessThan(25);
      expect(w.end).toBeLessThanOrEqual(count);
    }
  });

  test('copes with nothing, with little, and with a list that shrank', () => {
    expect(rows(0, 500, 50, 0)).toEqual({ first: 0, end: 0 });
    expect(rows(0, 500, 50, 3)).toEqual({ first: 0, end: 3 });
    expect(rows(0, 0, 50, 100, 6)).toEqual({ first: 0, end: 6 });
    const shrank = rows(40_000, 500, 50, 10);
    expect(shrank.end).toBe(10);
    expect(shrank.first).toBeLessThanOrEqual(10);
  });
});

test('a row is scrolled to only as far as needed', () => {
  expect(reveal(5, 0, 500, 50)).toBe(0);
  expect(reveal(10, 0, 500, 50)).toBe(50);
  expect(reveal(2, 400, 500, 50)).toBe(100);
});

test.each([
  ['ArrowDown', -1, 0],
  ['ArrowDown', 4, 5],
  ['ArrowDown', 99, 99],
  ['ArrowUp', 0, 0],
  ['ArrowUp', -1, 0],
  ['PageDown', 0, 10],
  ['PageDown', 95, 99],
  ['PageUp', 5, 0],
  ['Home', 50, 0],
  ['End', 0, 99],
  ['x', 0, null],
])('%s at %d leads to %s', (key, at, to) => {
  expect(move(key, at, 100, 10)).toBe(to);
});

test('no key leads anywhere in an empty list', () => {
  expect(move('ArrowDown', -1, 0, 10)).toBeNull();
});
