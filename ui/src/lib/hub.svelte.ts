// The sign-in at the Hugging Face Hub and the buckets that it shows, as the wizard, the settings and the dialog for
// signing in know them.

import { failure, type Ask, type Bucket, type Failure, type HubAccount, type ReplyTo, type Request } from './api';

type Asker = <R extends Request>(request: R) => Promise<ReplyTo<R['ask'] & Ask>>;

/** `unknown`: not asked yet. `refused`: the Hub does not take the token. `unreachable`: it was asked in vain. */
export type Standing = 'unknown' | 'out' | 'in' | 'refused' | 'unreachable';

export function standing(account: HubAccount | null, wrong: Failure | null): Standing {
  if (account === null) return wrong === null ? 'unknown' : 'unreachable';
  if (account.user !== null) return 'in';
  if (account.token === null) return 'out';
  return account.trouble?.kind === 'signed-out' ? 'refused' : 'unreachable';
}

/** What Lacuna keeps itself it can forget. */
export const keeps = (account: HubAccount): boolean =>
  account.token?.in === 'keychain' || account.token?.in === 'file';

const short = (address: string): string => address.replace(/^https:\/\//, '');

/** Where tokens are made, as people write it. */
export const tokenPage = (endpoint: string): string => `${short(endpoint)}/settings/tokens`;

/** Another Hub than everybody's. */
export const elsewhere = (endpoint: string): string | null =>
  endpoint === 'https://huggingface.co' ? null : short(endpoint);

export class Hub {
  readonly #ask: Asker;

  account = $state.raw<HubAccount | null>(null);
  /** Why the agent did not say who is signed in. */
  wrong = $state.raw<Failure | null>(null);
  /** Why signing in failed. */
  refusal = $state.raw<Failure | null>(null);
  working = $state(false);
  /** Counts sign-ins and sign-outs: what was seen before may hold no more. */
  turns = $state(0);
  readonly standing = $derived(standing(this.account, this.wrong));
  readonly list: BucketList;

  constructor(ask: Asker) {
    this.#ask = ask;
    this.list = new BucketList(ask);
  }

  async look(): Promise<void> {
    try {
      this.account = (await this.#ask({ ask: 'account' })).account;
      this.wrong = null;
    } catch (thrown) {
      this.account = null;
      this.wrong = failure(thrown);
    }
  }

  /** Signs in, with the token that is on this machine if none is given. Whether it went well. */
  async signIn(token: string | null): Promise<boolean> {
    this.working = true;
    this.refusal = null;
    try {
      this.account = (await this.#ask({ ask: 'sign-in', token }))['signed-in'].account;
      this.wrong = null;
      this.turns += 1;
      this.list.forget();
      return true;
    } catch (thrown) {
      this.refusal = failure(thrown);
      return false;
    } finally {
      this.working = false;
    }
  }

  /** Throws what the agent fails with. */
  async signOut(): Promise<void> {
    this.working = true;
    try {
      this.account = (await this.#ask({ ask: 'sign-out' })).account;
      this.turns += 1;
      this.list.forget();
    } finally {
      this.working = false;
    }
  }
}

/** So many pages come by themselves; who has more buckets asks for them. */
export const AHEAD = 5;

/** The buckets whose names hold what was typed. */
export function matching(buckets: Bucket[], text: string): Bucket[] {
  const wanted = text.trim().toLowerCase();
  return wanted === '' ? buckets : buckets.filter((b) => b.id.toLowerCase().includes(wanted));
}

export class BucketList {
  readonly #ask: Asker;
  /** Answers to questions of before it count for nothing. */
  #turn = 0;
  #next: string | null = null;

  buckets = $state.raw<Bucket[]>([]);
  hidden = $state.raw<string[]>([]);
  more = $state(false);
  /** All that comes by itself is here. */
  known = $state(false);
  working = $state(false);
  wrong = $state.raw<Failure | null>(null);

  constructor(ask: Asker) {
    this.#ask = ask;
  }

  forget(): void {
    this.#turn += 1;
    this.#next = null;
    this.buckets = [];
    this.hidden = [];
    this.more = false;
    this.known = false;
    this.working = false;
    this.wrong = null;
  }

  /** From the first page on. */
  async refresh(): Promise<void> {
    this.forget();
    await this.#pages(null, AHEAD);
  }

  async next(): Promise<void> {
    if (this.more && !this.working) await this.#pages(this.#next, AHEAD);
  }

  async #pages(from: string | null, pages: number): Promise<void> {
    const turn = this.#turn;
    this.working = true;
    let page = from;
    for (let i = 0; i < pages; i++) {
      try {
        const { buckets } = await this.#ask({ ask: 'buckets', page });
        if (turn !== this.#turn) return;
        this.buckets = [...this.buckets, ...buckets.buckets];
        this.hidden = [...this.hidden, ...buckets.hidden];
        page = this.#next = buckets.next;
        this.more = page !== null;
        this.wrong = null;
      } catch (thrown) {
        if (turn !== this.#turn) return;
        this.wrong = failure(thrown);
        break;
      }
      if (page === null) break;
    }
    this.known = true;
    this.working = false;
  }
}
