// What of a file is where, as stretches that lie side by side.

import type { FileInfo, Range } from './api';

/** `remote`: only there; `here`: a copy is here; `dirty`: changed here; `sending`: of that, on its way. */
export type Block = 'remote' | 'here' | 'dirty' | 'sending';

export const BLOCKS: Block[] = ['remote', 'here', 'dirty', 'sending'];

export interface Stretch {
  from: number;
  to: number;
  block: Block;
}

const has = (ranges: Range[], at: number) => ranges.some(([a, b]) => a <= at && at < b);

type Ranges = Pick<FileInfo, 'size' | 'present' | 'dirty' | 'sending'>;

/** The whole file, from its first byte to its last, without gaps and without two of a kind side by side. */
export function stretches({ size, present, dirty, sending }: Ranges): Stretch[] {
  const edges = [...present, ...dirty, ...sending].flat().filter((n) => n > 0 && n < size);
  const cuts = [...new Set([0, ...edges, size])].sort((a, b) => a - b);
  const out: Stretch[] = [];
  cuts.slice(0, -1).forEach((from, i) => {
    const to = cuts[i + 1] ?? size;
    const block: Block = has(sending, from)
      ? 'sending'
      : has(dirty, from)
        ? 'dirty'
        : has(present, from)
          ? 'here'
          : 'remote';
    const last = out.at(-1);
    if (last?.block === block) last.to = to;
    else out.push({ from, to, block });
  });
  return out;
}

/** Bytes of each kind. */
export function sums(all: Stretch[]): Record<Block, number> {
  const out: Record<Block, number> = { remote: 0, here: 0, dirty: 0, sending: 0 };
  for (const s of all) out[s.block] += s.to - s.from;
  return out;
}

export interface Box {
  x: number;
  width: number;
  block: Block;
}

/** Boxes on a bar `width` wide. One byte of a terabyte is still `least` wide, drawn over its neighbours. */
export function boxes(all: Stretch[], size: number, width: number, least: number): Box[] {
  if (size === 0) return [];
  const drawn = all.map(({ from, to, block }) => {
    const natural = ((to - from) / size) * width;
    const wide = Math.max(natural, least);
    const x = Math.min((from / size) * width - (wide - natural) / 2, width - wide);
    return { x: Math.max(0, x), width: wide, block };
  });
  const order = (b: Block) => BLOCKS.indexOf(b);
  return drawn.sort((a, b) => order(a.block) - order(b.block));
}
