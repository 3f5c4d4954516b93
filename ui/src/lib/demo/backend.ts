// The app played in the page: invented drives that answer as the agent does. In demo builds only.

import type { AgentSettings, DriveStatus, Failure, Replies, Request } from '../api';
import type { AgentEvent, Backend, Navigate, Preferences } from '../backend';
import { fail } from './fail';
import { history } from './history';
import { live } from './live';
import { DemoHub } from './hub';
import { drive, saves, STATES } from './states';
import { Tree } from './tree';

/** What the page tests reach as `lacunaDemo`. */
export interface Demo {
  /** Everything that was called, as text. */
  calls: string[];
  drives: DriveStatus[];
  push(): void;
  down(): void;
  navigate(to: Navigate): void;
  prefer(change: Partial<Preferences>): void;
  /** The next question of this kind fails. */
  refuse: Record<string, Failure>;
}

declare global {
  var lacunaDemo: Demo | undefined;
}

export function demo(query: URLSearchParams): Backend {
  const state = query.get('state') ?? 'syncing';
  const trees = new Map<string, Tree>();
  const hub = new DemoHub(query.get('account') ?? 'in');
  const settings: AgentSettings = { upload_limit: null, download_limit: 5e6 };
  let preferences: Preferences = {
    autostart: true,
    notify_problem: true,
    notify_conflict: true,
    notify_synced: false,
    language: query.get('language') ?? 'system',
    appearance: (query.get('appearance') ?? 'system') as Preferences['appearance'],
    locale: query.get('locale') ?? 'en-GB',
    tray: query.get('tray') !== 'no',
    first_run: state === 'empty',
  };
  let agent: (event: AgentEvent) => void = () => undefined;
  let preferred: (p: Preferences) => void = () => undefined;
  let navigated: (to: Navigate) => void = () => undefined;

  const d: Demo = {
    calls: [],
    refuse: {},
    drives: (STATES[state] ?? STATES['syncing'])?.() ?? [],
    push: () => {
      agent({ state: 'up', status: structuredClone({ version: 1, drives: d.drives }) });
    },
    down: () => {
      agent({ state: 'down', cause: 'the agent has ended', remedy: 'see agent.log for why; `lacuna mount` starts it again' });
    },
    navigate: (to) => {
      navigated(to);
    },
    prefer: (change) => {
      preferences = { ...preferences, ...change };
      preferred(preferences);
    },
  };
  globalThis.lacunaDemo = d;
  if (query.has('live')) live(d);

  const find = (name: string): DriveStatus => {
    const found = d.drives.find((x) => x.name === name);
    if (!found) throw fail('not-found', 'no drive has this name or mount point', '`lacuna status` shows the drives', name);
    return found;
  };
  const some = (name: string | null) => (name === null ? d.drives : [find(name)]);
  const tree = (name: string): Tree => {
    find(name);
    const known = trees.get(name) ?? new Tree();
    trees.set(name, known);
    return known;
  };
  const calm = (x: DriveStatus) => {
    x.state = x.problems.length > 0 ? 'problem' : x.paused ? 'paused' : x.pending.files > 0 ? 'syncing' : 'synced';
  };

  function answer(r: Request): Replies[keyof Replies] | 'done' {
    switch (r.ask) {
      case 'status':
        return { status: { version: 1, drives: d.drives } };
      case 'mount': {
        const name = r.name ?? 'Lacuna';
        d.drives = [
          ...d.drives,
          drive(name, 'synced', {
            remote: r.url,
            mountpoint: r.mountpoint,
            read_only: r.read_only,
            cache: { bytes: 0, pinned: 0, limit: null },
            saves: 0,
          }),
        ];
        return { mounted: { name, already: false } };
      }
      case 'unmount': {
        const gone = find(r.drive);
        d.drives = d.drives.filter((x) => x !== gone);
        return { unmounted: { name: gone.name, pending: gone.pending } };
      }
      case 'flush':
        for (const x of some(r.drive)) {
          x.queue = [];
          x.pending = { files: 0, bytes: 0 };
          x.rate = { up: 0, down: 0 };
          calm(x);
        }
        return 'done';
      case 'pause':
      case 'resume':
        for (const x of some(r.drive)) {
          x.paused = r.ask === 'pause' ? { until: r.until } : null;
          calm(x);
        }
        return 'done';
      case 'retry':
        for (const x of some(r.drive)) for (const i of x.queue) if (i.state === 'retry') i.state = 'ready';
        return 'done';
      case 'info': {
        const found = tree(r.drive).get(r.path);
        if (!found) throw fail('not-found', 'no such file or folder', null, r.path);
        return { info: { ...found, path: r.path } };
      }
      case 'list':
        return { list: tree(r.drive).list(r.path, r.after, r.limit) };
      case 'pin':
      case 'unpin':
        tree(r.drive).pin(r.path, r.ask === 'pin');
        return 'done';
      case 'evict': {
        const bytes = tree(r.drive).evict(r.path);
        return { evicted: { bytes } };
      }
      case 'activity':
        return { activity: saves(some(r.drive)).slice(0, r.limit) };
      case 'settings':
        return { settings: { ...settings } };
      case 'configure':
        Object.assign(settings, r.settings);
        return 'done';
      case 'cache-limit':
        find(r.drive).cache.limit = r.bytes;
        return 'done';
      case 'probe':
        if (r.url.includes('wrong'))
          throw fail('invalid', 'the folder is not empty: it holds "letters"', 'choose an empty or a new folder', r.url);
        return {
          probed: {
            found: r.url.includes('ready') ? 'ready' : /models|datasets/.test(r.url) ? 'read-only' : 'free',
            name: r.url.replace(/^.*[/\\:]/, '') || 'drive',
          },
        };
      case 'init':
        return 'done';
      case 'account':
        return { account: hub.look() };
      case 'sign-in': {
        const kept = hub.signIn(r.token);
        for (const x of d.drives) {
          x.problems = x.problems.filter((p) => p.action !== 'sign-in');
          calm(x);
        }
        return { 'signed-in': { kept, account: hub.look() } };
      }
      case 'sign-out':
        hub.signOut();
        return { account: hub.look() };
      case 'buckets':
        return { buckets: hub.buckets(r.page) };
    }
  }

  const called = (name: string, ...args: unknown[]) => {
    d.calls.push(`${name} ${JSON.stringify(args)}`);
    return Promise.resolve();
  };

  const CHANGES: Request['ask'][] = ['mount', 'unmount', 'flush', 'pause', 'resume', 'retry', 'cache-limit', 'pin', 'unpin', 'evict', 'sign-in'];

  return {
    ask: async (request) => {
      // What was asked is seen in tests' output: no token in it.
      await called('ask', request.ask === 'sign-in' && request.token !== null ? { ...request, token: '…' } : request);
      if (query.has('slow') && ['account', 'buckets'].includes(request.ask)) await new Promise(() => undefined);
      const refused = d.refuse[request.ask];
      if (refused) {
        d.refuse = {};
        throw refused;
      }
      const reply = answer(structuredClone(request)) as never;
      if (CHANGES.includes(request.ask)) d.push();
      return reply;
    },
    hello: async () => {
      await called('hello');
      if (state === 'waiting') return;
      if (d.drives.some((x) => x.rate.up > 0)) history();
      if (state !== 'nothing') d.push();
      if (state === 'down' || state === 'nothing') d.down();
    },
    preferences: () => Promise.resolve(preferences),
    setPreferences: async (p) => {
      await called('set_preferences', p);
      d.prefer(p);
    },
    openPath: (path) => called('open_path', path),
    reveal: (name, path) => called('reveal', name, path),
    pickFolder: (title) => called('pick_folder', title).then(() => '/media/mara/Buckets/new'),
    defaultPlaces: () => Promise.resolve({ bucket: '/media/mara/.local/share/lacuna/bucket', mountpoint: '/media/mara/Lacuna' }),
    ensureFolder: (path) => called('ensure_folder', path),
    onAgent: (f) => {
      agent = f;
      return Promise.resolve();
    },
    onPreferences: (f) => {
      preferred = f;
      return Promise.resolve();
    },
    onNavigate: (f) => {
      navigated = f;
      return Promise.resolve();
    },
  };
}
