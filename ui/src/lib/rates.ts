// The rates of the last minutes, from what the agent pushes. A rate holds until the next one is told.

import type { Rate } from './api';

export interface Sample extends Rate {
  /** Milliseconds. */
  at: number;
}

/** How far back the plot goes, seconds. */
export const WINDOW = 120;

/** Keeps the newest samples in a ring, so that a page that stays open for weeks does not grow. */
export class Rates {
  readonly #ring: Sample[] = [];
  #next = 0;

  constructor(readonly capacity = 5 * WINDOW) {}

  push(sample: Sample): void {
    this.#ring[this.#next] = sample;
    this.#next = (this.#next + 1) % this.capacity;
  }

  /** Oldest first. */
  samples(): Sample[] {
    return [...this.#ring.slice(this.#next), ...this.#ring.slice(0, this.#next)];
  }

  /** The highest rate within each of the `seconds` up to `now`, oldest first. */
  series(now: number, seconds = WINDOW): Rate[] {
    const start = now - seconds * 1000;
    const out: Rate[] = Array.from({ length: seconds }, () => ({ up: 0, down: 0 }));
    const all = this.samples();
    all.forEach((sample, i) => {
      const until = all[i + 1]?.at ?? now;
      // The newest one counts even if it came this very moment.
      const most = i === all.length - 1 ? seconds - 1 : seconds;
      const first = Math.max(0, Math.min(most, Math.floor((sample.at - start) / 1000)));
      const last = Math.min(seconds - 1, Math.ceil((until - start) / 1000) - 1);
      for (let s = first; s <= last; s++) {
        const slot = out[s];
        if (!slot) continue;
        slot.up = Math.max(slot.up, sample.up);
        slot.down = Math.max(slot.down, sample.down);
      }
    });
    return out;
  }
}

export const total = (rates: Rate[]): Rate =>
  rates.reduce((a, b) => ({ up: a.up + b.up, down: a.down + b.down }), { up: 0, down: 0 });

/** The next round number at or above `max` (1, 2 or 5 times a power of ten), for the top of the plot. */
export function ceiling(max: number): number {
  const least = 10_000;
  if (max <= least) return least;
  const power = 10 ** Math.floor(Math.log10(max));
  const step = [1, 2, 5, 10].find((m) => m * power >= max) ?? 10;
  return step * power;
}

/** Points of an SVG line over a `width` x `height` box. */
export function line(values: number[], top: number, width: number, height: number): string {
  const dx = width / Math.max(1, values.length - 1);
  return values
    .map((v, i) => `${(i * dx).toFixed(1)},${(height - (Math.min(v, top) / top) * height).toFixed(1)}`)
    .join(' ');
}
