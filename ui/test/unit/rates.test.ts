import { describe, expect, test } from 'vitest';

import { ceiling, line, Rates, total } from '../../src/lib/rates';

const ups = (r: Rates, now: number, seconds: number) => r.series(now, seconds).map((s) => s.up);

describe('the ring', () => {
  test('keeps the newest and never grows', () => {
    const rates = new Rates(3);
    for (let i = 1; i <= 10; i++) rates.push({ at: i, up: i, down: 0 });
    expect(rates.samples().map((s) => s.up)).toEqual([8, 9, 10]);
  });

  test('holds all of the plot at five pushes a second', () => {
    const rates = new Rates();
    for (let at = 0; at < 200_000; at += 200) rates.push({ at, up: 7, down: 0 });
    expect(ups(rates, 200_000, 120).every((u) => u === 7)).toBe(true);
  });
});

describe('the series', () => {
  test('is flat zero while nothing is known', () => {
    expect(new Rates().series(50_000, 4)).toEqual(Array.from({ length: 4 }, () => ({ up: 0, down: 0 })));
  });

  test('a rate holds until the next is told', () => {
    const rates = new Rates();
    rates.push({ at: 1000, up: 5, down: 1 });
    rates.push({ at: 4000, up: 0, down: 0 });
    expect(ups(rates, 6000, 6)).toEqual([0, 5, 5, 5, 0, 0]);
  });

  test('the last rate holds up to now', () => {
    const rates = new Rates();
    rates.push({ at: 2000, up: 3, down: 0 });
    expect(ups(rates, 5000, 5)).toEqual([0, 0, 3, 3, 3]);
  });

  test('a rate told this very moment is seen at once', () => {
    const rates = new Rates();
    rates.push({ at: 5000, up: 3, down: 0 });
    expect(ups(rates, 5000, 3)).toEqual([0, 0, 3]);
  });

  test('what began before the plot still counts in it', () => {
    const rates = new Rates();
    rates.push({ at: 0, up: 9, down: 0 });
    rates.push({ at: 101_500, up: 0, down: 0 });
    expect(ups(rates, 104_000, 4)).toEqual([9, 9, 0, 0]);
  });

  test('of several within a second the highest counts', () => {
    const rates = new Rates();
    for (const [at, up] of [[1000, 1], [1300, 8], [1600, 2]] as const) rates.push({ at, up, down: 0 });
    expect(ups(rates, 2000, 2)).toEqual([0, 8]);
  });

  test('after the window nothing is left, so the page can rest', () => {
    const rates = new Rates();
    rates.push({ at: 1000, up: 5, down: 5 });
    rates.push({ at: 2000, up: 0, down: 0 });
    expect(total(rates.series(130_000))).toEqual({ up: 0, down: 0 });
  });
});

test('rates of drives add up', () => {
  expect(total([{ up: 1, down: 2 }, { up: 3, down: 4 }])).toEqual({ up: 4, down: 6 });
});

test.each([
  [0, 10_000],
  [10_001, 20_000],
  [2.4e6, 5e6],
  [5e6, 5e6],
  [9.1e7, 1e8],
])('the top for %d is %d', (max, top) => {
  expect(ceiling(max)).toBe(top);
});

test('the line goes from edge to edge and stays inside', () => {
  expect(line([0, 50, 200], 100, 10, 100)).toBe('0.0,100.0 5.0,50.0 10.0,0.0');
});
