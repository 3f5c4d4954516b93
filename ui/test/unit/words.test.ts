import { describe, expect, test } from 'vitest';

import type { DriveState, DriveStatus, QueueItem } from '../../src/lib/api';
import { failure } from '../../src/lib/api';
import { drive } from '../../src/lib/demo/states';
import { Lang } from '../../src/lib/lang';
import {
  actionWord,
  commands,
  driveLine,
  fileWord,
  overall,
  pendingWords,
  problemTitle,
  progress,
  queueWords,
  receiptWords,
  remaining,
  stateWord,
  whereWord,
  worst,
} from '../../src/lib/words';

const l = new Lang('en', 'en-GB');
const plain = (text: string) => text.replace(/[\u00a0\u202f]/g, ' ');
const now = 1_800_000_000_000;

const item = (state: QueueItem['state'], more: Partial<QueueItem> = {}): QueueItem => ({
  path: 'a/b.txt',
  bytes: 1000,
  sent: 0,
  state,
  attempts: 0,
  size: 5000,
  ...more,
});
const pending = { files: 3, bytes: 1.2e6 };

describe('the one line of truth', () => {
  const lines: [string, DriveStatus, string][] = [
    ['synced', drive('a', 'synced'), 'Everything is synced: safe to shut down'],
    ['read only', drive('a', 'synced', { read_only: true }), 'Up to date; nothing is ever sent from here'],
    ['syncing', drive('a', 'syncing', { pending }), '3 files, 1.2 MB waiting'],
    [
      'syncing at a rate',
      drive('a', 'syncing', { pending, rate: { up: 1e5, down: 0 }, queue: [item('uploading', { sent: 2e5 })] }),
      '3 files, 1.2 MB waiting, about 10 secs left',
    ],
    [
      'paused',
      drive('a', 'paused', { pending, paused: { until: (now + 42 * 60_000) * 1e6 } }),
      'Paused for 42 mins · 3 files, 1.2 MB waiting',
    ],
    ['paused without end', drive('a', 'paused', { paused: { until: null } }), 'Paused until you resume'],
    ['offline', drive('a', 'offline', { pending }), "The remote can't be reached · 3 files, 1.2 MB waiting"],
    [
      'offline and paused',
      drive('a', 'offline', { paused: { until: null } }),
      "The remote can't be reached · Paused until you resume",
    ],
    ['nothing left but not synced yet', drive('a', 'syncing'), 'Almost done'],
  ];
  test.each(lines)('%s', (_, status, line) => {
    expect(plain(driveLine(l, status, now))).toBe(line);
  });

  test('never says that all is well in any other state', () => {
    for (const state of ['syncing', 'paused', 'offline', 'problem'] as DriveState[]) {
      const line = driveLine(l, drive('a', state, { pending, paused: state === 'paused' ? { until: null } : null }), now);
      expect(line).not.toMatch(/safe|synced/i);
    }
  });
});

test('every state has a word of its own', () => {
  const words = (['synced', 'syncing', 'paused', 'offline', 'problem'] as DriveState[]).map((s) => stateWord(l, s));
  expect(new Set(words).size).toBe(5);
});

test('the worst drive speaks for all', () => {
  expect(worst([])).toBe('synced');
  expect(worst([drive('a', 'synced'), drive('b', 'paused'), drive('c', 'syncing')])).toBe('paused');
  expect(worst([drive('a', 'offline'), drive('b', 'problem')])).toBe('problem');
});

test('safe to shut down is said only when nothing waits anywhere', () => {
  expect(overall(l, [drive('a', 'synced'), drive('b', 'offline')]).detail).toMatch(/safe to shut down/);
  const waits = overall(l, [drive('a', 'synced'), drive('b', 'paused', { pending })]);
  expect(waits.detail).not.toMatch(/safe/);
  expect(plain(waits.detail)).toMatch(/^3 files, 1.2 MB waiting/);
});

test('changes without bytes are counted', () => {
  expect(pendingWords(l, { files: 1, bytes: 0 })).toBe('One change waiting');
  expect(pendingWords(l, { files: 0, bytes: 0 })).toBe('Nothing waiting');
});

test('what is left is told only if there is a rate', () => {
  expect(remaining(drive('a', 'syncing', { pending }))).toBeNull();
  expect(remaining(drive('a', 'syncing', { pending, rate: { up: 1.2e6, down: 0 } }))).toBe(1000);
});

describe('queue', () => {
  const at = drive('a', 'syncing');
  const held = drive('a', 'paused', { paused: { until: null } });
  test.each([
    ['quiet', item('quiet'), at, 0, 'Waiting until saving has ended'],
    ['ready', item('ready'), at, 0, 'Next in line'],
    ['ready, paused', item('ready'), held, 0, 'Held while paused'],
    ['ready, offline', item('ready'), drive('a', 'offline'), 0, 'Waiting for the remote'],
    ['uploading', item('uploading', { sent: 400 }), at, 0, 'Sending, 400 bytes of 1 kB'],
    ['committing', item('committing'), at, 0, 'Waiting for the commit'],
    ['retry', item('retry', { retry_ms: 12_000 }), at, 0, 'Retry in 12 secs'],
    ['retry, later', item('retry', { retry_ms: 12_000 }), at, 4100, 'Retry in 8 secs'],
    ['retry, due', item('retry', { retry_ms: 12_000 }), at, 13_000, 'Trying again'],
    ['conflict', item('conflict'), at, 0, 'Changed elsewhere: both are kept'],
  ] as [string, QueueItem, DriveStatus, number, string][])('%s', (_, i, d, age, text) => {
    expect(plain(queueWords(l, i, d, age))).toBe(text);
  });

  test('progress', () => {
    expect(progress(item('uploading', { sent: 250 }))).toBe(0.25);
    expect(progress(item('uploading', { sent: 2000 }))).toBe(1);
    expect(progress(item('committing', { bytes: 0 }))).toBe(1);
    expect(progress(item('ready'))).toBe(0);
    expect(progress(item('ready', { bytes: 0 }))).toBeNull();
  });
});

test('a receipt reads as a sentence', () => {
  const receipt = { changed: 1000, sent: 142_000, reused: 0, reread: 0, ms: 300 };
  expect(plain(receiptWords(l, receipt, 200e6))).toBe('1 kB changed, 142 kB sent of 200 MB, 0.3 secs');
});

test('where a file is', () => {
  const of = (present: number, size = 10, kind: 'file' | 'dir' = 'file') => whereWord(l, { kind, size, present });
  expect([of(0), of(4), of(10), of(0, 0), of(0, 10, 'dir')]).toEqual(['At the remote', '4 bytes here', 'Here', '', '']);
});

test('words that the engine may add later are told as they are', () => {
  expect(fileWord(l, 'thawing')).toBe('thawing');
  const problem = { code: 'new', title: 'The moon is full', cause: '', remedy: '', severity: 'info', path: null } as const;
  expect(problemTitle(l, problem)).toBe('The moon is full');
  expect(problemTitle(l, { ...problem, code: 'conflict' })).toBe('Changed here and elsewhere');
});

test('only a remedy that this page can carry out gets a button', () => {
  expect(actionWord(l, 'retry')).toBe('Try again now');
  expect(actionWord(l, 'sign-in')).toBe('Sign in…');
  expect(actionWord(l, 'of-tomorrow' as never)).toBeNull();
  expect(actionWord(l, undefined)).toBeNull();
});

test('commands stand apart from the sentence', () => {
  expect(commands('run `lacuna resume` now')).toEqual(['run ', 'lacuna resume', ' now']);
});

test('whatever is thrown can be shown', () => {
  expect(failure({ kind: 'busy', cause: 'c', remedy: 'r', path: null })).toEqual({ kind: 'busy', cause: 'c', remedy: 'r', path: null });
  expect(failure(new Error('broken'))).toEqual({ kind: 'other', cause: 'broken', remedy: null, path: null });
  expect(failure('text').cause).toBe('text');
  expect(failure({ cause: '' }).kind).toBe('other');
});
