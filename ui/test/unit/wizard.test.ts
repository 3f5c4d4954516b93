import { describe, expect, test } from 'vitest';

import {
  absolute,
  answered,
  back,
  lack,
  mountedAt,
  named,
  next,
  parent,
  proposed,
  requests,
  start,
  typed,
  url,
  type Tested,
  type Wizard,
} from '../../src/lib/wizard';

const free: Tested = { is: 'found', found: 'free', name: 'photos' };
const wrong: Tested = { is: 'wrong', failure: { kind: 'invalid', cause: 'c', remedy: null, path: null } };
const at = (place: string): Wizard => typed(next(start('/media/mara')), place);

test.each([
  ['folder', '/srv/a b', 'store:/srv/a b'],
  ['folder', ' /srv/a ', 'store:/srv/a'],
  ['folder', 'C:\\Bucket', 'store:C:\\Bucket'],
  ['folder', 'store:/srv/a', 'store:/srv/a'],
  ['hub', 'mara/photos', 'hf://buckets/mara/photos'],
  ['hub', 'buckets/mara/photos', 'hf://buckets/mara/photos'],
  ['hub', 'datasets/mara/set', 'hf://datasets/mara/set'],
  ['hub', 'hf://models/mara/small@main', 'hf://models/mara/small@main'],
  ['hub', 'https://huggingface.co/buckets/mara/photos/', 'hf://buckets/mara/photos'],
  ['address', ' store+s3://bucket/prefix ', 'store+s3://bucket/prefix'],
] as const)('%s %j is %s', (kind, place, wanted) => {
  expect(url(kind, place)).toBe(wanted);
});

test.each([
  ['/a', true],
  ['C:\\a', true],
  ['c:/a', true],
  ['\\\\server\\share', true],
  ['a/b', false],
  ['~/a', false],
  ['', false],
])('%j is a whole path: %s', (path, is) => {
  expect(absolute(path)).toBe(is);
});

test('mount points are proposed beside the default one, in the way of the system', () => {
  expect(parent('/media/mara/Lacuna')).toBe('/media/mara');
  expect(parent('C:\\Users\\mara\\Lacuna')).toBe('C:\\Users\\mara');
  expect(parent('/Lacuna')).toBe('/');
  expect(proposed('/media/mara', 'photos')).toBe('/media/mara/photos');
  expect(proposed('/', 'photos')).toBe('/photos');
  expect(proposed('C:\\Users\\mara', 'photos')).toBe('C:\\Users\\mara\\photos');
  expect(proposed('', 'photos')).toBe('');
});

describe('the steps', () => {
  test('lead to a drive in three', () => {
    let w = start('/media/mara');
    w = next(w);
    expect(w.step).toBe('place');
    w = answered(typed(w, '/srv/photos'), '/srv/photos', free);
    w = next(w);
    expect(w).toMatchObject({ step: 'mount', name: 'photos', mountpoint: '/media/mara/photos' });
    expect(requests(w)).toEqual([
      { ask: 'init', url: 'store:/srv/photos' },
      { ask: 'mount', url: 'store:/srv/photos', mountpoint: '/media/mara/photos', name: 'photos', read_only: false },
    ]);
    expect(next(w).step).toBe('done');
  });

  test.each([
    ['nothing typed', at(''), 'place'],
    ['half a path', at('srv'), 'absolute'],
    ['not tested', at('/srv'), 'test'],
    ['tested and wrong', answered(at('/srv'), '/srv', wrong), 'test'],
    ['being tested', answered(at('/srv'), '/srv', { is: 'testing' }), 'test'],
    ['found', answered(at('/srv'), '/srv', free), null],
  ] as const)('%s', (_, w, lacks) => {
    expect(lack(w)).toBe(lacks);
    expect(next(w).step).toBe(lacks === null ? 'mount' : 'place');
  });

  const mount = next(answered(at('/srv'), '/srv', free));
  test.each([
    ['proposed', mount, null],
    ['nowhere', mountedAt(mount, ' '), 'mountpoint'],
    ['half a path', mountedAt(mount, 'here'), 'mountpoint-absolute'],
    ['a drive letter', mountedAt(mount, 'L:'), null],
    ['no name', named(mountedAt(mount, '/m'), ''), 'name'],
    ['a name that is a path', named(mount, 'a/b'), 'name'],
  ] as const)('mount: %s', (_, w, lacks) => {
    expect(lack(w)).toBe(lacks);
  });

  test('an answer about a text that was changed meanwhile counts for nothing', () => {
    const w = typed(at('/srv/a'), '/srv/b');
    expect(answered(w, '/srv/a', free)).toBe(w);
    expect(typed(answered(w, '/srv/b', free), '/srv/c').tested.is).toBe('unknown');
  });

  test('the mount point follows the name until it is chosen', () => {
    expect(named(mount, 'pictures').mountpoint).toBe('/media/mara/pictures');
    expect(named(mountedAt(mount, '/mnt/x'), 'pictures').mountpoint).toBe('/mnt/x');
  });

  test('a place that is one already is not made again, one that may only be read is only read', () => {
    const ready = answered(at('/srv'), '/srv', { is: 'found', found: 'ready', name: 'photos' });
    expect(requests(ready).map((r) => r.ask)).toEqual(['mount']);
    const only = answered(at('/srv'), '/srv', { is: 'found', found: 'read-only', name: 'photos' });
    expect(requests(only)).toMatchObject([{ ask: 'mount', read_only: true }]);
  });

  test('there is a way back, and it keeps what was typed', () => {
    expect(back(mount)).toMatchObject({ step: 'place', place: '/srv' });
    expect(back(back(back(mount))).step).toBe('kind');
  });
});
