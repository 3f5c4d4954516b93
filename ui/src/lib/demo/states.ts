// Drives as they may be, for development and the page tests. Times are relative to now.

import type { DriveState, DriveStatus, QueueItem, QueueState, Save } from '../api';

const KB = 1e3;
const MB = 1e6;
const GB = 1e9;

export const drive = (name: string, state: DriveState, more: Partial<DriveStatus> = {}): DriveStatus => ({
  name,
  remote: `store:/srv/buckets/${name}`,
  mountpoint: `/media/mara/${name}`,
  state,
  pending: { files: 0, bytes: 0 },
  sent_bytes: 0,
  received_bytes: 0,
  rate: { up: 0, down: 0 },
  queue: [],
  problems: [],
  read_only: false,
  paused: null,
  cache: { bytes: 3.2 * GB, pinned: 1.1 * GB, limit: 10 * GB },
  saves: 24,
  ...more,
});

const item = (path: string, state: QueueState, bytes: number, more: Partial<QueueItem> = {}): QueueItem => ({
  path,
  bytes,
  sent: 0,
  state,
  attempts: 0,
  size: bytes * 3,
  ...more,
});

const queue: QueueItem[] = [
  item('Films/Lisbon, final cut.mov', 'uploading', 38.4 * MB, { sent: 21.7 * MB, size: 4.1 * GB }),
  item('Accounts/2026.ods', 'committing', 142 * KB, { sent: 142 * KB, size: 2.1 * MB }),
  item('Letters/To the landlord.odt', 'quiet', 18 * KB),
  item('Photos/2026/Harbour at dawn.raw', 'ready', 24.9 * MB),
  item('Mail/archive.mbox', 'retry', 1.2 * MB, {
    attempts: 3,
    retry_ms: 12_000,
    size: 812 * MB,
    why: 'the Hub wants to be asked less often: status 429',
  }),
  item('Notes/Ideas.md', 'conflict', 4 * KB, { why: 'Notes/Ideas.md was changed elsewhere while it was changed here; both versions are kept' }),
];

const sum = (items: QueueItem[]) => ({ files: items.length, bytes: items.reduce((n, i) => n + i.bytes, 0) });

const busy = (name: string, items: QueueItem[], more: Partial<DriveStatus> = {}) =>
  drive(name, 'syncing', { pending: sum(items), queue: items, rate: { up: 2.4 * MB, down: 310 * KB }, ...more });

const thousand = Array.from({ length: 1000 }, (_, i) =>
  item(`Scans/Box ${String(Math.floor(i / 50) + 1)}/Page ${String(i + 1).padStart(4, '0')}.tiff`, i < 3 ? 'uploading' : 'ready', 3.1 * MB + i * KB, {
    sent: i < 3 ? 1.4 * MB : 0,
  }),
);

/** Names that try to be more than names. */
export const HOSTILE = [
  '<img src=x onerror=alert(1)>.png',
  'invoice_\u202Efdp.exe',
  '{@html "<b>bold"} {{7*7}} ${1}.txt',
  'tab\there\nand a second line.txt',
  'zero\u200Bwidth and \uFEFFmark.md',
  'שלום עולם.docx',
  'e\u0301 and \u00e9.txt',
  `${'a very long name that goes on and on '.repeat(6)}.pdf`,
];

const problems: DriveStatus['problems'] = [
  {
    code: 'bucket-full',
    title: 'The remote has no space left',
    cause: 'opening the bucket: no space is left',
    remedy: 'make room on the disk that holds /srv/buckets',
    severity: 'error',
    path: null,
    action: 'retry',
  },
  {
    code: 'conflict',
    title: 'Two versions of a file',
    cause: 'Notes/Ideas.md was changed elsewhere while it was changed here; both versions are kept',
    remedy: 'compare the file with its conflicted copy, keep what is right in one and delete the other',
    severity: 'warning',
    path: 'Notes/Ideas (conflicted copy, anvil, 2026-11-23).md',
    action: 'reveal',
  },
  {
    code: 'disk-full',
    title: 'This machine has no space left',
    cause: "only 81920 bytes are free at /home/mara/.local/state/lacuna, so programs can't write",
    remedy: "free space on the disk that holds Lacuna's state folder, or `lacuna evict` big files",
    severity: 'info',
    path: null,
    action: 'evict',
  },
];

const archive = () =>
  drive('archive', 'synced', {
    remote: 'hf://buckets/mara/archive',
    cache: { bytes: 640 * MB, pinned: 0, limit: null },
    saves: 3,
  });

export const STATES: Record<string, () => DriveStatus[]> = {
  synced: () => [drive('photos', 'synced'), archive()],
  syncing: () => [busy('photos', queue), archive()],
  one: () => [busy('photos', queue.slice(0, 2))],
  paused: () => [
    drive('photos', 'paused', {
      pending: sum(queue.slice(2, 4)),
      queue: queue.slice(2, 4).map((i) => ({ ...i, state: 'ready' })),
      paused: { until: (Date.now() + 42 * 60_000) * 1e6 },
    }),
    drive('archive', 'paused', { paused: { until: null }, cache: { bytes: 0, pinned: 0, limit: null } }),
  ],
  offline: () => [
    drive('photos', 'offline', { pending: sum(queue.slice(2, 4)), queue: queue.slice(2, 4).map((i) => ({ ...i, state: 'ready' })) }),
    archive(),
  ],
  problem: () => [
    drive('photos', 'problem', { pending: sum(queue.slice(3)), queue: queue.slice(3), problems }),
    drive('models', 'synced', { remote: 'hf://models/mara/small', read_only: true }),
  ],
  'signed-out': () => [
    drive('photos', 'synced'),
    drive('archive', 'problem', {
      remote: 'hf://buckets/mara/archive',
      pending: { files: 2, bytes: 1.2 * MB },
      problems: [
        {
          code: 'signed-out',
          title: 'The remote does not know who you are',
          cause: 'the Hub lets only those write here whom it knows',
          remedy: 'sign in: `lacuna login hf`; or mount with --read-only',
          severity: 'error',
          path: null,
          action: 'sign-in',
        },
      ],
    }),
  ],
  thousand: () => [busy('scans', thousand, { pending: { files: 2347, bytes: 7.3 * GB } })],
  names: () => [
    busy(
      'photos\u202E',
      HOSTILE.map((n) => item(`${n}/${n}`, 'ready', 12 * KB)),
    ),
  ],
  many: () => Array.from({ length: 9 }, (_, i) => drive(`drive ${String(i + 1)}`, i === 4 ? 'offline' : 'synced')),
  empty: () => [],
  down: () => [busy('photos', queue), archive()],
  nothing: () => [],
};

const SAVED: [string, number, number, number, number][] = [
  // Name, size, changed, sent, re-read.
  ['Films/Lisbon, final cut.mov', 4.1 * GB, 38 * MB, 39.2 * MB, 240 * KB],
  ['Disk images/router.img', 200 * MB, 1 * KB, 142 * KB, 310 * KB],
  ['Accounts/2026.ods', 2.1 * MB, 88 * KB, 101 * KB, 0],
  ['Mail/archive.mbox', 812 * MB, 24 * KB, 61 * KB, 22 * KB],
  ['Letters/To the landlord.odt', 54 * KB, 54 * KB, 56 * KB, 0],
  ['Photos/2026/Harbour at dawn.raw', 24.9 * MB, 24.9 * MB, 25.1 * MB, 0],
  ['Databases/library.sqlite', 1.3 * GB, 12 * KB, 96 * KB, 180 * KB],
];

export function saves(drives: DriveStatus[]): Save[] {
  return drives.flatMap((d) =>
    Array.from({ length: d.saves }, (_, i): Save => {
      const [path, size, changed, sent, reread] = SAVED[i % SAVED.length] ?? ['file', 1, 1, 1, 0];
      return {
        drive: d.name,
        path: i < SAVED.length ? path : path.replace('.', ` ${String(Math.floor(i / SAVED.length))}.`),
        at: (Date.now() - 20_000 - (d.saves - i) ** 2 * 47_000) * 1e6,
        size,
        receipt: { changed, sent, reused: size - sent, reread, ms: 120 + (sent / MB) * 400 },
      };
    }).reverse(),
  );
}
