// What saves cost against sending whole files.

import type { Save } from './api';

export interface Totals {
  saves: number;
  /** Bytes of the whole files, every time they were saved. */
  whole: number;
  /** Bytes that went up. */
  sent: number;
  /** Bytes that had to come down for it. */
  reread: number;
  /** Bytes not moved; never below zero, though a new file costs a little more than itself. */
  spared: number;
}

export function totals(saves: Save[]): Totals {
  const sum = (f: (s: Save) => number) => saves.reduce((n, s) => n + f(s), 0);
  const whole = sum((s) => s.size);
  const sent = sum((s) => s.receipt.sent);
  const reread = sum((s) => s.receipt.reread);
  return { saves: saves.length, whole, sent, reread, spared: Math.max(0, whole - sent - reread) };
}
