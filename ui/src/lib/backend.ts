// The one seam between the page and the app around it.

import type { Ask, ReplyTo, Request, Status } from './api';

export type AgentEvent =
  | { state: 'up'; status: Status }
  | { state: 'down'; cause: string; remedy: string | null };

export type View = 'overview' | 'transfers' | 'activity' | 'problems' | 'files' | 'settings';

export interface Preferences {
  autostart: boolean;
  notify_problem: boolean;
  notify_conflict: boolean;
  notify_synced: boolean;
  /** `system` or the name of a file in src/locales. */
  language: string;
  appearance: 'system' | 'light' | 'dark';
  /** What the desktop speaks, such as `de-DE`. A fact, not a choice. */
  locale: string;
  /** Whether this desktop shows a tray icon. A fact too. */
  tray: boolean;
  /** The app has never been used here before. A fact too. */
  first_run: boolean;
}

export interface Navigate {
  view: View;
  drive?: string | null;
}

export interface Places {
  bucket: string;
  mountpoint: string;
}

/** What the app does for the page. Everything but the events rejects with a `Failure`. */
export interface Backend {
  ask<R extends Request>(request: R): Promise<ReplyTo<R['ask'] & Ask>>;
  /** From now on the agent's events come; the first at once. */
  hello(): Promise<void>;
  preferences(): Promise<Preferences>;
  setPreferences(preferences: Preferences): Promise<void>;
  openPath(path: string): Promise<void>;
  reveal(drive: string, path: string): Promise<void>;
  pickFolder(title: string): Promise<string | null>;
  defaultPlaces(): Promise<Places>;
  ensureFolder(path: string): Promise<void>;
  onAgent(f: (event: AgentEvent) => void): Promise<void>;
  onPreferences(f: (preferences: Preferences) => void): Promise<void>;
  onNavigate(f: (to: Navigate) => void): Promise<void>;
}

async function tauri(): Promise<Backend> {
  const [{ invoke }, { listen }] = await Promise.all([
    import('@tauri-apps/api/core'),
    import('@tauri-apps/api/event'),
  ]);
  const on = <T>(name: string) => {
    return async (f: (payload: T) => void) => {
      await listen<T>(name, (event) => {
        f(event.payload);
      });
    };
  };
  return {
    ask: (request) => invoke('ask', { request }),
    hello: () => invoke('hello'),
    preferences: () => invoke('preferences'),
    setPreferences: (preferences) => invoke('set_preferences', { preferences }),
    openPath: (path) => invoke('open_path', { path }),
    reveal: (drive, path) => invoke('reveal', { drive, path }),
    pickFolder: (title) => invoke('pick_folder', { title }),
    defaultPlaces: () => invoke('default_places'),
    ensureFolder: (path) => invoke('ensure_folder', { path }),
    onAgent: on('agent'),
    onPreferences: on('preferences'),
    onNavigate: on('navigate'),
  };
}

/** The app, or in demo builds its stand-in. */
export async function open(): Promise<Backend> {
  if (__DEMO__) {
    return (await import('./demo/backend')).demo(new URLSearchParams(location.search));
  }
  return tauri();
}
