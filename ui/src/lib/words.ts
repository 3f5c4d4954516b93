// What is said about drives, changes and files. Values in, words out.

import type {
  Action,
  DriveState,
  DriveStatus,
  Entry,
  FileState,
  Problem,
  QueueItem,
  Receipt,
  Severity,
  TokenAt,
} from './api';
import { millis, type Key, type Lang } from './lang';

const STATE: Record<DriveState, Key> = {
  synced: 'state.synced',
  syncing: 'state.syncing',
  paused: 'state.paused',
  offline: 'state.offline',
  problem: 'state.problem',
};

export const stateWord = (l: Lang, state: DriveState): string => l.t(STATE[state]);

const ORDER: DriveState[] = ['synced', 'syncing', 'paused', 'offline', 'problem'];

/** The worst state of all drives, as the agent defines it for one. */
export const worst = (drives: DriveStatus[]): DriveState =>
  drives.reduce<DriveState>(
    (w, d) => (ORDER.indexOf(d.state) > ORDER.indexOf(w) ? d.state : w),
    'synced',
  );

/** `3 files, 1.2 MB waiting`; changes without bytes (renames, removals) are told by their number. */
export function pendingWords(l: Lang, { files, bytes }: DriveStatus['pending']): string {
  if (files === 0 && bytes === 0) return l.t('pending.none');
  if (bytes === 0) return l.t('pending.changes', { n: files });
  return l.t('pending.files', { n: files, size: l.bytes(bytes) });
}

/** How long sending still takes at the present rate, milliseconds; none if that can't be said. */
export function remaining(drive: DriveStatus): number | null {
  if (drive.rate.up < 1 || drive.pending.bytes === 0) return null;
  const sent = drive.queue.reduce((n, i) => n + i.sent, 0);
  return (Math.max(0, drive.pending.bytes - sent) / drive.rate.up) * 1000;
}

function pauseWords(l: Lang, until: number | null, now: number): string {
  if (until === null) return l.t('line.paused');
  return l.t('line.paused_for', { time: l.duration(Math.max(60_000, millis(until) - now)) });
}

/** The one line of truth of a drive. */
export function driveLine(l: Lang, drive: DriveStatus, now: number): string {
  const waits = drive.pending.files > 0 || drive.pending.bytes > 0;
  const pending = pendingWords(l, drive.pending);
  const parts: string[] = [];
  switch (drive.state) {
    case 'synced':
      return l.t(drive.read_only ? 'line.synced_read_only' : 'line.synced');
    case 'problem':
      parts.push(l.t('line.problem', { n: drive.problems.length }));
      break;
    case 'offline':
      parts.push(l.t('line.offline'));
      break;
    case 'paused':
      break;
    case 'syncing': {
      const left = remaining(drive);
      if (left !== null) return l.t('line.syncing', { pending, time: l.duration(Math.max(1000, left)) });
    }
  }
  if (drive.paused) parts.push(pauseWords(l, drive.paused.until, now));
  if (waits) parts.push(pending);
  return parts.join(' · ') || l.t('line.almost');
}

export interface Overall {
  state: DriveState;
  title: string;
  detail: string;
}

/** What holds for all drives together: the first thing that the page says. */
export function overall(l: Lang, drives: DriveStatus[]): Overall {
  const state = worst(drives);
  const pending = {
    files: drives.reduce((n, d) => n + d.pending.files, 0),
    bytes: drives.reduce((n, d) => n + d.pending.bytes, 0),
  };
  const waits = pending.files > 0 || pending.bytes > 0;
  const title = {
    synced: l.t('overall.synced'),
    syncing: l.t('overall.syncing'),
    paused: l.t('overall.paused'),
    offline: l.t('overall.offline'),
    problem: l.t('overall.problem', { n: drives.reduce((n, d) => n + d.problems.length, 0) }),
  }[state];
  const detail = waits ? l.t('overall.waits', { pending: pendingWords(l, pending) }) : l.t('overall.safe');
  return { state, title, detail };
}

/** What a queued change is doing. `age`: milliseconds since the status came. */
export function queueWords(l: Lang, item: QueueItem, drive: DriveStatus, age: number): string {
  switch (item.state) {
    case 'quiet':
      return l.t('queue.quiet');
    case 'ready':
      return drive.paused ? l.t('queue.held') : drive.state === 'offline' ? l.t('queue.offline') : l.t('queue.ready');
    case 'uploading':
      return l.t('queue.uploading', { sent: l.bytes(item.sent), size: l.bytes(item.bytes) });
    case 'committing':
      return l.t('queue.committing');
    case 'retry': {
      const left = Math.ceil(((item.retry_ms ?? 0) - age) / 1000) * 1000;
      return left > 0 ? l.t('queue.retry_in', { time: l.duration(left) }) : l.t('queue.retry');
    }
    case 'conflict':
      return l.t('queue.conflict');
  }
}

/** How much of a change has gone up, 0 to 1; none where there is nothing to measure. */
export function progress(item: QueueItem): number | null {
  if (item.state === 'committing') return 1;
  if (item.bytes === 0) return null;
  if (item.state === 'uploading' || item.sent > 0) return Math.min(1, item.sent / item.bytes);
  return 0;
}

/** `1 kB changed, 142 kB sent of 200 MB, 0.3 sec`. */
export function receiptWords(l: Lang, receipt: Receipt, size: number): string {
  const args = {
    changed: l.bytes(receipt.changed),
    sent: l.bytes(receipt.sent),
    size: l.bytes(size),
    time: l.duration(receipt.ms),
  };
  return l.t('receipt.line', args);
}

const FILE_STATE: Record<string, Key> = {
  synced: 'file.synced',
  modified: 'file.modified',
  uploading: 'file.uploading',
  new: 'file.new',
};

/** A state that this page does not know yet is told in the engine's own word. */
export function fileWord(l: Lang, state: FileState): string {
  const key = FILE_STATE[state];
  return key ? l.t(key) : state;
}

export type Where = 'remote' | 'partly' | 'here' | 'none';

/** Where the bytes of a file are; folders, links and empty files have none to speak of. */
export function where({ kind, size, present }: Pick<Entry, 'kind' | 'size' | 'present'>): Where {
  if (kind !== 'file' || size === 0) return 'none';
  return present === 0 ? 'remote' : present < size ? 'partly' : 'here';
}

export function whereWord(l: Lang, entry: Pick<Entry, 'kind' | 'size' | 'present'>): string {
  switch (where(entry)) {
    case 'remote':
      return l.t('where.remote');
    case 'partly':
      return l.t('where.partly', { part: l.bytes(entry.present) });
    case 'here':
      return l.t('where.here');
    case 'none':
      return '';
  }
}

const KINDS: Record<string, Key> = {
  'not-found': 'failure.not-found',
  offline: 'failure.offline',
  conflict: 'failure.conflict',
  'no-space': 'failure.no-space',
  damaged: 'failure.damaged',
  'newer-format': 'failure.newer-format',
  'read-only': 'failure.read-only',
  denied: 'failure.denied',
  'signed-out': 'failure.signed-out',
  invalid: 'failure.invalid',
  busy: 'failure.busy',
};

/** A headline for a failure. */
export const failureTitle = (l: Lang, kind: string): string => l.t(KINDS[kind] ?? 'failure.other');

const TITLES: Record<string, Key> = {
  conflict: 'problem.conflict',
  rejected: 'problem.rejected',
  'remote-failed': 'problem.remote-failed',
  'signed-out': 'problem.signed-out',
};

/** A problem's headline: in the page's language if the code is known, else as the agent says it. */
export function problemTitle(l: Lang, problem: Problem): string {
  const key = TITLES[problem.code];
  return key ? l.t(key) : problem.title;
}

const SEVERITY: Record<Severity, Key> = {
  info: 'severity.info',
  warning: 'severity.warning',
  error: 'severity.error',
};

export const severityWord = (l: Lang, severity: Severity): string => l.t(SEVERITY[severity]);

/** What the button for a remedy says; none if this page can't do it. */
export function actionWord(l: Lang, action: Action | undefined): string | null {
  switch (action) {
    case 'reveal':
      return l.t('action.reveal');
    case 'retry':
      return l.t('action.retry');
    case 'evict':
      return l.t('action.evict');
    case 'sign-in':
      return l.t('action.sign_in');
    default:
      return null;
  }
}

/** Where the token is, in a sentence. */
export function tokenWords(l: Lang, at: TokenAt): string {
  switch (at.in) {
    case 'environment':
      return l.t('account.in_environment');
    case 'keychain':
      return l.t('account.in_keychain');
    case 'file':
      return l.t('account.in_file', { place: at.path });
    case 'command-line':
      return l.t('account.in_command_line', { place: at.path });
  }
}

/** Text with the commands in it apart: every second piece stood between backticks. */
export const commands = (text: string): string[] => text.split('`');
