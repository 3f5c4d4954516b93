import { describe, expect, test } from 'vitest';

import type { Bucket, Buckets, Failure, HubAccount, Request, TokenAt } from '../../src/lib/api';
import { AHEAD, BucketList, elsewhere, Hub, keeps, matching, standing, tokenPage } from '../../src/lib/hub.svelte';
import { Lang } from '../../src/lib/lang';
import { bucketOf, bucketPlace } from '../../src/lib/wizard';
import { tokenWords } from '../../src/lib/words';

const account = (more: Partial<HubAccount>): HubAccount => ({
  endpoint: 'https://huggingface.co',
  token: null,
  user: null,
  trouble: null,
  other: null,
  ...more,
});
const trouble = (kind: string): Failure => ({ kind, cause: 'c', remedy: 'r', path: null });
const mara = { name: 'mara', orgs: [] };
const keychain: TokenAt = { in: 'keychain' };
const bucket = (id: string): Bucket => ({ id, private: false, size: null, files: null });

test.each([
  ['unknown', null, null],
  ['unreachable', null, trouble('other')],
  ['out', account({}), null],
  ['in', account({ token: keychain, user: mara }), null],
  ['refused', account({ token: keychain, trouble: trouble('signed-out') }), null],
  ['unreachable', account({ token: keychain, trouble: trouble('offline') }), null],
  ['unreachable', account({ token: keychain, trouble: trouble('of-tomorrow') }), null],
] as const)('%s', (is, known, wrong) => {
  expect(standing(known, wrong)).toBe(is);
});

test('only what Lacuna keeps can be forgotten', () => {
  const at: [TokenAt | null, boolean][] = [
    [null, false],
    [{ in: 'environment' }, false],
    [{ in: 'command-line', path: '/f' }, false],
    [{ in: 'file', path: '/f' }, true],
    [keychain, true],
  ];
  for (const [token, can] of at) expect(keeps(account({ token }))).toBe(can);
});

test('where the token is, is said with its place', () => {
  for (const language of ['en', 'de']) {
    const l = new Lang(language);
    expect(tokenWords(l, { in: 'file', path: '/tokens\u202E' })).toContain('/tokens<U+202E>');
    expect(tokenWords(l, { in: 'command-line', path: '/t' })).toContain('/t');
    expect(tokenWords(l, { in: 'environment' })).toContain('HF_TOKEN');
    expect(tokenWords(l, keychain)).not.toBe('');
  }
});

test('addresses are written as people write them', () => {
  expect(tokenPage('https://huggingface.co')).toBe('huggingface.co/settings/tokens');
  expect(tokenPage('http://127.0.0.1:8')).toBe('http://127.0.0.1:8/settings/tokens');
  expect(elsewhere('https://huggingface.co')).toBeNull();
  expect(elsewhere('https://hub.example')).toBe('hub.example');
});

test('names are filtered whatever their case', () => {
  const all = ['mara/Photos', 'lab/photos-2', 'mara/x'].map(bucket);
  const ids = (text: string) => matching(all, text).map((b) => b.id);
  expect(ids(' ')).toHaveLength(3);
  expect(ids('PHOTO')).toEqual(['mara/Photos', 'lab/photos-2']);
  expect(ids('mara/')).toEqual(['mara/Photos', 'mara/x']);
  expect(ids('y')).toEqual([]);
});

test('the field and the list name the same bucket', () => {
  expect(bucketOf('hub', bucketPlace('mara/a.b-c_d'))).toBe('mara/a.b-c_d');
  for (const text of ['mara/a', ' mara/a ', 'buckets/mara/a', 'https://huggingface.co/buckets/mara/a/'])
    expect(bucketOf('hub', text)).toBe('mara/a');
  for (const text of ['', ' ', 'mara', 'models/mara/a', 'hf://buckets/mara/a/folder', 'hf://datasets/mara/a'])
    expect(bucketOf('hub', text)).toBeNull();
  expect(bucketOf('folder', 'mara/a')).toBeNull();
});

/** An agent that answers with what `answer` gives. */
const asker = (answer: (request: Request) => unknown) => {
  const asked: Request[] = [];
  const ask = (request: Request) => {
    asked.push(request);
    return Promise.resolve().then(() => answer(request) as never);
  };
  return { asked, ask };
};

describe('signing in', () => {
  test('a refusal keeps who was signed in, and is forgotten by the next try', async () => {
    let good = false;
    const { asked, ask } = asker((r) => {
      if (r.ask === 'account') return { account: account({}) };
      if (!good) throw trouble('signed-out') as unknown as Error;
      return { 'signed-in': { kept: keychain, account: account({ token: keychain, user: mara }) } };
    });
    const hub = new Hub(ask);
    expect(hub.standing).toBe('unknown');
    await hub.look();
    expect(await hub.signIn('hf_bad')).toBe(false);
    expect([hub.standing, hub.refusal?.kind, hub.working]).toEqual(['out', 'signed-out', false]);
    good = true;
    expect(await hub.signIn(null)).toBe(true);
    expect([hub.standing, hub.refusal, hub.working, hub.turns]).toEqual(['in', null, false, 1]);
    expect(asked.slice(1)).toEqual([
      { ask: 'sign-in', token: 'hf_bad' },
      { ask: 'sign-in', token: null },
    ]);
  });

  test('an agent that does not answer is no account', async () => {
    let there = true;
    const { ask } = asker(() => {
      if (!there) throw new Error('gone');
      return { account: account({ token: keychain, user: mara }) };
    });
    const hub = new Hub(ask);
    await hub.look();
    there = false;
    await hub.look();
    expect([hub.standing, hub.account, hub.wrong?.cause]).toEqual(['unreachable', null, 'gone']);
    there = true;
    await hub.look();
    expect([hub.standing, hub.wrong]).toEqual(['in', null]);
  });

  test('who signs out sees no buckets any more', async () => {
    const { ask } = asker((r) => {
      if (r.ask === 'buckets') return { buckets: { buckets: [bucket('mara/a')], hidden: [], next: null } };
      return { account: account({}) };
    });
    const hub = new Hub(ask);
    await hub.list.refresh();
    expect(hub.list.buckets).toHaveLength(1);
    await hub.signOut();
    expect([hub.list.buckets, hub.list.known, hub.standing]).toEqual([[], false, 'out']);
  });
});

describe('the list of buckets', () => {
  const pages = (count: number) =>
    asker((r) => {
      if (r.ask !== 'buckets') throw new Error(r.ask);
      const at = Number(r.page ?? 0);
      const buckets: Buckets = {
        buckets: [bucket(`mara/${String(at)}`)],
        hidden: at === 1 ? ['lab'] : [],
        next: at + 1 < count ? String(at + 1) : null,
      };
      return { buckets };
    });

  test('comes by itself as far as it is short, and further when asked for', async () => {
    const { asked, ask } = pages(AHEAD + 2);
    const list = new BucketList(ask);
    await list.refresh();
    expect([list.buckets.length, list.more, list.known, list.hidden]).toEqual([AHEAD, true, true, ['lab']]);
    await Promise.all([list.next(), list.next()]);
    expect([list.buckets.length, list.more, list.working]).toEqual([AHEAD + 2, false, false]);
    await list.next();
    expect(asked).toHaveLength(AHEAD + 2);
    await list.refresh();
    expect(list.buckets.map((b) => b.id)).toEqual(['0', '1', '2', '3', '4'].map((n) => `mara/${n}`));
  });

  test('an answer to a question of before counts for nothing', async () => {
    const { ask } = pages(2);
    const list = new BucketList(ask);
    const first = list.refresh();
    const second = list.refresh();
    await Promise.all([first, second]);
    expect(list.buckets).toHaveLength(2);
    const third = list.refresh();
    list.forget();
    await third;
    expect([list.buckets, list.known, list.working]).toEqual([[], false, false]);
  });

  test('what went wrong is said, what was there stays', async () => {
    let broken = false;
    const inner = pages(AHEAD + 1);
    const list = new BucketList((r) => (broken ? Promise.reject(new Error('down')) : inner.ask(r)));
    await list.refresh();
    broken = true;
    await list.next();
    expect([list.wrong?.cause, list.buckets.length, list.known]).toEqual(['down', AHEAD, true]);
    broken = false;
    await list.next();
    expect([list.wrong, list.buckets.length]).toEqual([null, AHEAD + 1]);
  });
});
