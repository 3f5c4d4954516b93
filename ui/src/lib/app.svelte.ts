// What the page knows: the agent's last status, the preferences, and where the user is in the page.

import { failure, type DriveStatus, type Failure, type Request, type Status } from './api';
import type { AgentEvent, Backend, Navigate, Preferences, View } from './backend';
import { Hub } from './hub.svelte';
import { choose, Lang } from './lang';
import { plain } from './names';
import { Rates, total } from './rates';
import { stateWord } from './words';

/** Something that the user is told once: a failure until it is closed, a success for a moment. */
export interface Notice {
  id: number;
  /** What was tried or is done. */
  text: string;
  failure: Failure | null;
  open: string | null;
}

const UNKNOWN: Preferences = {
  autostart: false,
  notify_problem: false,
  notify_conflict: false,
  notify_synced: false,
  language: 'system',
  appearance: 'system',
  locale: 'en',
  tray: true,
  first_run: false,
};

/** How long a success is shown, milliseconds. */
const SHOWN = 8000;

class App {
  #backend: Backend | null = null;
  #notices = 0;

  link = $state<'waiting' | 'up' | 'down'>('waiting');
  down = $state.raw<{ cause: string; remedy: string | null } | null>(null);
  /** Replaced whole with every push. */
  status = $state.raw<Status | null>(null);
  /** When it came, milliseconds. */
  statusAt = $state(0);
  preferences = $state.raw(UNKNOWN);

  view = $state<View>('overview');
  /** Of which drive lists show something; none: of all. */
  drive = $state<string | null>(null);
  /** The folder that the file browser shows, and the name in it to select. */
  folder = $state.raw<{ path: string; select: string | null }>({ path: '', select: null });
  adding = $state(false);
  /** The dialog for signing in to the Hub is open. */
  signingIn = $state(false);
  notices = $state.raw<Notice[]>([]);
  /** What a screen reader is told next. */
  said = $state('');

  readonly rates = new Rates();
  readonly hub = new Hub((request) => this.backend.ask(request));
  readonly drives = $derived<DriveStatus[]>(this.status?.drives ?? []);
  readonly up = $derived(this.link === 'up');
  readonly language = $derived(choose(this.preferences.language, this.preferences.locale));
  readonly lang = $derived(new Lang(this.language.language, this.language.locale));
  /** Changes when `activity` has news. */
  readonly saves = $derived(this.drives.map((d) => `${d.name}:${String(d.saves)}`).join());

  get backend(): Backend {
    if (!this.#backend) throw new Error('the page has not started yet');
    return this.#backend;
  }

  async start(backend: Backend): Promise<void> {
    this.#backend = backend;
    await backend.onAgent((event) => {
      this.heard(event);
    });
    await backend.onPreferences((preferences) => {
      this.preferences = preferences;
    });
    await backend.onNavigate((to) => {
      this.go(to);
    });
    this.preferences = await backend.preferences();
    await backend.hello();
  }

  heard(event: AgentEvent): void {
    if (event.state === 'down') {
      this.link = 'down';
      this.down = { cause: event.cause, remedy: event.remedy };
      this.rates.push({ at: Date.now(), up: 0, down: 0 });
      this.statusAt = Date.now();
      this.say(this.lang.t('down.title'));
      return;
    }
    const before = this.link === 'up' ? this.drives : [];
    if (this.link === 'down') this.say(this.lang.t('down.over'));
    this.link = 'up';
    this.down = null;
    this.status = event.status;
    this.statusAt = Date.now();
    this.rates.push({ at: this.statusAt, ...total(event.status.drives.map((d) => d.rate)) });
    const changed = event.status.drives.filter((d) => {
      const was = before.find((b) => b.name === d.name);
      return was && was.state !== d.state;
    });
    if (changed.length > 0) this.say(changed.map((d) => `${plain(d.name)}: ${stateWord(this.lang, d.state)}`).join('. '));
    if (this.drive !== null && !event.status.drives.some((d) => d.name === this.drive)) this.drive = null;
  }

  go(to: Navigate): void {
    this.view = to.view;
    if (to.drive !== undefined) this.show(to.drive);
  }

  /** Chooses a drive; the file browser starts at its root. */
  show(drive: string | null): void {
    if (drive === this.drive) return;
    this.drive = drive;
    this.folder = { path: '', select: null };
  }

  browse(drive: string, path: string, select: string | null = null): void {
    this.drive = drive;
    this.folder = { path, select };
    this.view = 'files';
  }

  say(text: string): void {
    this.said = text;
  }

  tell(text: string, open: string | null = null): void {
    const id = this.#notice({ text, failure: null, open });
    setTimeout(() => {
      this.dismiss(id);
    }, SHOWN);
  }

  complain(text: string, thrown: unknown): void {
    this.#notice({ text, failure: failure(thrown), open: null });
  }

  #notice(notice: Omit<Notice, 'id'>): number {
    const id = ++this.#notices;
    // The same failure again takes the place of the old one.
    const others = this.notices.filter(
      (n) => n.text !== notice.text || n.failure?.cause !== notice.failure?.cause,
    );
    this.notices = [...others.slice(-3), { id, ...notice }];
    return id;
  }

  dismiss(id: number): void {
    this.notices = this.notices.filter((n) => n.id !== id);
  }

  /** Does something; a failure is shown under the words for what was tried. Whether it went well. */
  async attempt(trying: string, what: () => Promise<unknown>): Promise<boolean> {
    try {
      await what();
      return true;
    } catch (thrown) {
      this.complain(trying, thrown);
      return false;
    }
  }

  /** Asks the agent for something that is done or not. */
  order(trying: string, request: Request): Promise<boolean> {
    return this.attempt(trying, () => this.backend.ask(request));
  }

  async prefer(change: Partial<Preferences>): Promise<void> {
    const before = this.preferences;
    this.preferences = { ...before, ...change };
    const kept = await this.attempt(this.lang.t('trying.preferences'), () =>
      this.backend.setPreferences(this.preferences),
    );
    if (!kept) this.preferences = before;
  }
}

export const app = new App();

/** Words in the page's language; a reader of `app.lang` is drawn anew when that changes. */
export const t: Lang['t'] = (key, args) => app.lang.t(key, args);
