// A drive's files as invented for development and the page tests.

import type { Entry, FileInfo, Kind, Listing, Range } from '../api';
import { base, folder, join } from '../names';
import { HOSTILE } from './states';

const MB = 1e6;

interface Node extends Omit<FileInfo, 'path'> {
  mtime: number;
}

function node(kind: Kind, size = 0, more: Partial<Node> = {}): Node {
  return {
    kind,
    size,
    base: kind === 'file' ? '5d41402abc4b2a76b9719d911017c592'.repeat(2) : null,
    present: [],
    dirty: [],
    sending: [],
    state: 'synced',
    receipt: null,
    pinned: false,
    mtime: (Date.now() - size / 10 - 86_400_000) * 1e6,
    ...more,
  };
}

const all = (size: number): Range[] => [[0, size]];

export class Tree {
  readonly #nodes = new Map<string, Node>();

  constructor() {
    const put = (path: string, n: Node) => this.#nodes.set(path, n);
    for (const d of ['Accounts', 'Disk images', 'Films', 'Letters', 'Odd names', 'Photos', 'Photos/2026', 'Empty'])
      put(d, node('dir', 0, { pinned: d === 'Letters' }));
    put('Accounts/2026.ods', node('file', 2.1 * MB, { present: all(2.1 * MB) }));
    put(
      'Disk images/router.img',
      node('file', 200 * MB, {
        present: [[0, 12 * MB], [96 * MB, 108 * MB], [150 * MB, 151 * MB]],
        dirty: [[100 * MB, 104 * MB], [150 * MB, 150 * MB + 1024]],
        sending: [[100 * MB, 102 * MB]],
        state: 'uploading',
        receipt: { changed: 1024, sent: 142_000, reused: 199.8 * MB, reread: 310_000, ms: 300 },
      }),
    );
    put('Films/Lisbon, final cut.mov', node('file', 4100 * MB, { present: [[0, 600 * MB]] }));
    put('Letters/To the landlord.odt', node('file', 54_000, { present: all(54_000), pinned: true }));
    put('Letters/New draft.odt', node('file', 18_000, { present: all(18_000), dirty: all(18_000), state: 'new', base: null, pinned: true }));
    put('Readme.txt', node('file', 812, { present: all(812) }));
    put('Today.md', node('file', 4200, { present: all(4200), dirty: [[400, 700]], state: 'modified' }));
    put('current', node('symlink'));
    for (const n of HOSTILE) put(join('Odd names', n), node('file', 12_000));
    for (let i = 1; i <= 2500; i++) {
      const size = 24.9 * MB + i * 1000;
      put(`Photos/2026/IMG_${String(i).padStart(4, '0')}.raw`, node('file', size, { present: i % 7 === 0 ? all(size) : [] }));
    }
  }

  get(path: string): Node | undefined {
    return path === '' ? node('dir') : this.#nodes.get(path);
  }

  list(dir: string, after: string | null, limit: number): Listing {
    const names = [...this.#nodes.keys()]
      .filter((p) => folder(p) === dir)
      .map(base)
      .sort((a, b) => (a < b ? -1 : 1));
    const from = after === null ? 0 : names.findIndex((n) => n > after);
    const rest = from < 0 ? [] : names.slice(from);
    const bytes = (ranges: Range[]) => ranges.reduce((n, [a, b]) => n + b - a, 0);
    const entries = rest.slice(0, limit).map((name): Entry => {
      const n = this.#nodes.get(join(dir, name)) ?? node('file');
      return {
        name,
        kind: n.kind,
        size: n.size,
        mtime: n.mtime,
        present: bytes(n.present),
        dirty: bytes(n.dirty),
        pinned: n.pinned,
        state: n.state,
      };
    });
    return { entries, more: rest.length > limit };
  }

  /** Keeps it and all below it, or no longer. */
  pin(path: string, pinned: boolean): void {
    for (const [p, n] of this.#nodes) {
      if (p !== path && !p.startsWith(`${path}/`)) continue;
      n.pinned = pinned;
      if (pinned) n.present = all(n.size);
    }
  }

  /** Bytes freed: all but the dirty ones. */
  evict(path: string): number {
    let freed = 0;
    for (const [p, n] of this.#nodes) {
      if ((path !== '' && p !== path && !p.startsWith(`${path}/`)) || n.pinned) continue;
      const keep = n.dirty;
      freed += n.present.reduce((s, [a, b]) => s + b - a, 0) - keep.reduce((s, [a, b]) => s + b - a, 0);
      n.present = keep;
    }
    return freed;
  }
}
