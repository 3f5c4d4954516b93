// The control protocol, as src/control/api.rs has it in JSON. Sizes are bytes, times nanoseconds since 1970.

export type DriveState = 'synced' | 'syncing' | 'paused' | 'offline' | 'problem';
export type Severity = 'info' | 'warning' | 'error';
export type Action = 'reveal' | 'retry' | 'evict' | 'sign-in';
export type QueueState = 'quiet' | 'ready' | 'uploading' | 'committing' | 'retry' | 'conflict';
export type Kind = 'file' | 'dir' | 'symlink';
export type Found = 'ready' | 'read-only' | 'free';
/** From its first byte to the one before its second number. */
export type Range = [number, number];

export interface Problem {
  code: string;
  title: string;
  cause: string;
  remedy: string;
  severity: Severity;
  path: string | null;
  action?: Action;
}

export interface Pending {
  files: number;
  bytes: number;
}

export interface Rate {
  up: number;
  down: number;
}

export interface QueueItem {
  path: string;
  bytes: number;
  sent: number;
  state: QueueState;
  attempts: number;
  size: number;
  /** From when the status was sent. */
  retry_ms?: number;
  why?: string;
}

export interface Cache {
  bytes: number;
  pinned: number;
  limit: number | null;
}

export interface DriveStatus {
  name: string;
  remote: string;
  mountpoint: string;
  state: DriveState;
  pending: Pending;
  sent_bytes: number;
  received_bytes: number;
  rate: Rate;
  queue: QueueItem[];
  problems: Problem[];
  read_only: boolean;
  paused: { until: number | null } | null;
  cache: Cache;
  saves: number;
}

export interface Status {
  version: number;
  drives: DriveStatus[];
}

export interface Receipt {
  changed: number;
  sent: number;
  reused: number;
  reread: number;
  ms: number;
}

/** Of a file that is here: `synced`, `modified`, `uploading` or `new`; a newer engine may know more. */
export type FileState = string;

export interface FileInfo {
  path: string;
  size: number;
  base: string | null;
  present: Range[];
  dirty: Range[];
  state: FileState;
  receipt: Receipt | null;
  kind: Kind;
  pinned: boolean;
  sending: Range[];
}

export interface Entry {
  name: string;
  kind: Kind;
  size: number;
  mtime: number;
  present: number;
  dirty: number;
  pinned: boolean;
  state: FileState;
}

export interface Listing {
  entries: Entry[];
  more: boolean;
}

export interface Save {
  drive: string;
  path: string;
  at: number;
  size: number;
  receipt: Receipt;
}

export interface AgentSettings {
  upload_limit: number | null;
  download_limit: number | null;
}

/** Where a token is kept. */
export type TokenAt =
  | { in: 'environment' }
  | { in: 'keychain' }
  | { in: 'file'; path: string }
  | { in: 'command-line'; path: string };

/** Who is signed in at the Hugging Face Hub. */
export interface HubAccount {
  /** Its address, without a slash at its end. */
  endpoint: string;
  /** Where the token is that counts. */
  token: TokenAt | null;
  user: { name: string; orgs: string[] } | null;
  /** Why it is not known whose the token is. */
  trouble: Failure | null;
  /** Another token on this machine, which `sign-in` without a token takes. */
  other: TokenAt | null;
}

export interface Bucket {
  /** `OWNER/NAME`. */
  id: string;
  private: boolean;
  size: number | null;
  files: number | null;
}

export interface Buckets {
  buckets: Bucket[];
  /** Organisations whose buckets the token may not list. */
  hidden: string[];
  next: string | null;
}

export type Request =
  | { ask: 'status' }
  | { ask: 'mount'; url: string; mountpoint: string; name: string | null; read_only: boolean }
  | { ask: 'unmount'; drive: string }
  | { ask: 'flush'; drive: string | null }
  | { ask: 'pause'; drive: string | null; until: number | null }
  | { ask: 'resume'; drive: string | null }
  | { ask: 'info'; drive: string; path: string }
  | { ask: 'evict'; drive: string; path: string }
  | { ask: 'pin'; drive: string; path: string }
  | { ask: 'unpin'; drive: string; path: string }
  | { ask: 'list'; drive: string; path: string; after: string | null; limit: number }
  | { ask: 'activity'; drive: string | null; limit: number }
  | { ask: 'settings' }
  | { ask: 'configure'; settings: AgentSettings }
  | { ask: 'cache-limit'; drive: string; bytes: number | null }
  | { ask: 'retry'; drive: string | null }
  | { ask: 'probe'; url: string }
  | { ask: 'init'; url: string }
  | { ask: 'account' }
  | { ask: 'sign-in'; token: string | null }
  | { ask: 'sign-out' }
  | { ask: 'buckets'; page: string | null };

/** What each question is answered with; every other one by `"done"`. */
export interface Replies {
  status: { status: Status };
  mount: { mounted: { name: string; already: boolean } };
  unmount: { unmounted: { name: string; pending: Pending } };
  info: { info: FileInfo };
  evict: { evicted: { bytes: number } };
  list: { list: Listing };
  activity: { activity: Save[] };
  settings: { settings: AgentSettings };
  probe: { probed: { found: Found; name: string } };
  account: { account: HubAccount };
  'sign-in': { 'signed-in': { kept: TokenAt; account: HubAccount } };
  'sign-out': { account: HubAccount };
  buckets: { buckets: Buckets };
}

export type Ask = Request['ask'];
export type ReplyTo<A extends Ask> = A extends keyof Replies ? Replies[A] : 'done';
export type Reply = Replies[keyof Replies] | 'done';

/** A failure as data; `kind` is one of the words of `KINDS`. */
export interface Failure {
  kind: string;
  cause: string;
  remedy: string | null;
  path: string | null;
}

const text = (value: unknown): string | null => (typeof value === 'string' && value !== '' ? value : null);

/** Whatever was thrown, as a failure that can be shown. */
export function failure(thrown: unknown): Failure {
  if (typeof thrown === 'object' && thrown !== null && 'cause' in thrown && text(thrown.cause) !== null) {
    const f = thrown as Partial<Failure>;
    return {
      kind: text(f.kind) ?? 'other',
      cause: f.cause ?? '',
      remedy: text(f.remedy),
      path: text(f.path),
    };
  }
  const cause = thrown instanceof Error ? thrown.message : String(thrown);
  return { kind: 'other', cause, remedy: null, path: null };
}
