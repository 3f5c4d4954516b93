// The Hub as the agent tells of it, in one of the ways in which it may stand: `?account=`.

import type { Bucket, Buckets, HubAccount, TokenAt } from '../api';
import { fail } from './fail';

const ENDPOINT = 'https://huggingface.co';
const USER = { name: 'mara', orgs: ['harbour-lab'] };
const FILE = '/media/mara/.config/lacuna/tokens.json';
const THEIRS: TokenAt = { in: 'command-line', path: '/media/mara/.cache/huggingface/token' };

const bucket = (id: string, isPrivate: boolean, size: number | null, files: number | null): Bucket => ({
  id,
  private: isPrivate,
  size,
  files,
});

const FEW: Bucket[] = [
  bucket('mara/archive', true, 640e6, 1204),
  bucket('mara/photos', false, 81.2e9, 20_311),
  bucket('mara/drafts', true, 0, 0),
  bucket('harbour-lab/recordings', true, 1.4e12, 88_120),
  bucket('harbour-lab/odd\u202Ename', false, null, null),
];

const MANY = Array.from({ length: 230 }, (_, i) =>
  bucket(`${i < 180 ? 'mara' : 'harbour-lab'}/set-${String(i + 1).padStart(3, '0')}`, i % 3 === 0, i * 3.1e6, i + 1),
);

const PAGE = 20;

const TOKENS: Record<string, TokenAt | null> = {
  out: null,
  env: { in: 'environment' },
  cli: THEIRS,
  file: { in: 'file', path: FILE },
};

export class DemoHub {
  #token: TokenAt | null;
  #good: boolean;
  #other: TokenAt | null;

  /** `in`, `out`, `env`, `cli`, `file`, `stored` (ours is refused, another one is there), `offline`, `none`, `many`. */
  constructor(readonly way: string) {
    this.#token = way in TOKENS ? (TOKENS[way] ?? null) : { in: 'keychain' };
    this.#good = way !== 'stored' && way !== 'out';
    this.#other = way === 'stored' ? THEIRS : null;
  }

  look(): HubAccount {
    const trouble =
      this.way === 'offline'
        ? fail('offline', "the Hub can't be reached: no route", 'check the network; it is tried again by itself', ENDPOINT)
        : this.#token !== null && !this.#good
          ? fail('signed-out', 'the Hub does not know this token', `make one at ${ENDPOINT}/settings/tokens and sign in with it`, ENDPOINT)
          : null;
    const user = this.#token !== null && trouble === null ? USER : null;
    return { endpoint: ENDPOINT, token: this.#token, user, trouble, other: this.#other };
  }

  signIn(token: string | null): TokenAt {
    if (token !== null && !token.startsWith('hf_good'))
      throw fail('signed-out', 'the Hub does not know this token', `make one at ${ENDPOINT}/settings/tokens and sign in with it`, ENDPOINT);
    const kept: TokenAt = this.way === 'file' ? { in: 'file', path: FILE } : { in: 'keychain' };
    this.#token = kept;
    this.#good = true;
    this.#other = null;
    return kept;
  }

  signOut(): void {
    this.#token = null;
  }

  buckets(page: string | null): Buckets {
    const all = this.way === 'none' ? [] : this.way === 'many' ? MANY : FEW;
    const from = Number(page ?? 0);
    const next = from + PAGE < all.length ? String(from + PAGE) : null;
    const hidden = next === null && this.way === 'many' ? ['closed-club'] : [];
    return { buckets: all.slice(from, from + PAGE), hidden, next };
  }
}
