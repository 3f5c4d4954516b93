// The steps of adding a drive, as values. What they ask of the agent is done in components/AddDrive.svelte.

import type { Failure, Found, Request } from './api';

export type PlaceKind = 'folder' | 'hub' | 'address';

export const PLACE_KINDS: PlaceKind[] = ['folder', 'hub', 'address'];

export type Step = 'kind' | 'place' | 'mount' | 'done';

export const STEPS: Step[] = ['kind', 'place', 'mount', 'done'];

/** What is known about the place that is typed in. */
export type Tested =
  | { is: 'unknown' }
  | { is: 'testing' }
  | { is: 'found'; found: Found; name: string }
  | { is: 'wrong'; failure: Failure };

export interface Wizard {
  step: Step;
  kind: PlaceKind;
  place: string;
  tested: Tested;
  mountpoint: string;
  /** The mount point was chosen, so it does not follow the name any more. */
  chosen: boolean;
  name: string;
  readOnly: boolean;
  /** Where mount points are proposed: the folder of the default one. */
  home: string;
}

export const start = (home: string): Wizard => ({
  step: 'kind',
  kind: 'folder',
  place: '',
  tested: { is: 'unknown' },
  mountpoint: '',
  chosen: false,
  name: '',
  readOnly: false,
  home,
});

/** The remote's URL. A folder is written as its path, a bucket at the Hub also without its scheme. */
export function url(kind: PlaceKind, place: string): string {
  const text = place.trim();
  if (kind === 'folder') return text.startsWith('store:') ? text : `store:${text}`;
  if (kind === 'hub') {
    if (/^hf:/.test(text)) return text;
    const path = text.replace(/^(https?:\/\/)?(www\.)?huggingface\.co\//, '').replace(/^\/+|\/+$/g, '');
    return /^(buckets|models|datasets|spaces)\//.test(path) ? `hf://${path}` : `hf://buckets/${path}`;
  }
  return text;
}

/** How a bucket of the list is written in the field for the place. */
export const bucketPlace = (id: string): string => `hf://buckets/${id}`;

/** The bucket of the list that the field names. */
export function bucketOf(kind: PlaceKind, place: string): string | null {
  if (kind !== 'hub' || place.trim() === '') return null;
  return /^hf:\/\/buckets\/([^/]+\/[^/]+)\/?$/.exec(url(kind, place))?.[1] ?? null;
}

const unix = /^\//;
const windows = /^([A-Za-z]:[\\/]|\\\\)/;

/** Paths go to another process, so they must not depend on where this one is. */
export const absolute = (path: string): boolean => unix.test(path) || windows.test(path);

/** What keeps the user from going on; none: nothing. */
export type Lack = 'place' | 'absolute' | 'test' | 'mountpoint' | 'mountpoint-absolute' | 'name';

export function lack(w: Wizard): Lack | null {
  switch (w.step) {
    case 'kind':
    case 'done':
      return null;
    case 'place': {
      const place = w.place.trim();
      if (place === '') return 'place';
      if (w.kind === 'folder' && !place.startsWith('store:') && !absolute(place)) return 'absolute';
      return w.tested.is === 'found' ? null : 'test';
    }
    case 'mount':
      if (w.mountpoint.trim() === '') return 'mountpoint';
      // A drive letter alone is a mount point too.
      if (!absolute(w.mountpoint.trim()) && !/^[A-Za-z]:$/.test(w.mountpoint.trim())) return 'mountpoint-absolute';
      return /[/\\]/.test(w.name) || w.name.trim() === '' ? 'name' : null;
  }
}

const separator = (home: string) => (windows.test(home) ? '\\' : '/');

/** Puts a name below the folder where mount points are proposed. */
export function proposed(home: string, name: string): string {
  if (home === '' || name === '') return '';
  return home.replace(/[/\\]+$/, '') + separator(home) + name;
}

/** The folder that holds a path. */
export function parent(path: string): string {
  const cut = Math.max(path.lastIndexOf('/'), path.lastIndexOf('\\'));
  return cut <= 0 ? path.slice(0, cut + 1) : path.slice(0, cut);
}

export function typed(w: Wizard, place: string): Wizard {
  return place === w.place ? w : { ...w, place, tested: { is: 'unknown' } };
}

/** The answer of a test counts only if the text is still the one that was tested. */
export function answered(w: Wizard, place: string, tested: Tested): Wizard {
  if (place !== w.place) return w;
  if (tested.is !== 'found') return { ...w, tested };
  const name = w.name === '' ? tested.name : w.name;
  const mountpoint = w.chosen ? w.mountpoint : proposed(w.home, name);
  return { ...w, tested, name, mountpoint, readOnly: tested.found === 'read-only' || w.readOnly };
}

export function named(w: Wizard, name: string): Wizard {
  return { ...w, name, mountpoint: w.chosen ? w.mountpoint : proposed(w.home, name) };
}

export function mountedAt(w: Wizard, mountpoint: string): Wizard {
  return { ...w, mountpoint, chosen: true };
}

export function next(w: Wizard): Wizard {
  if (lack(w) !== null) return w;
  return { ...w, step: STEPS[STEPS.indexOf(w.step) + 1] ?? 'done' };
}

export function back(w: Wizard): Wizard {
  return { ...w, step: STEPS[Math.max(0, STEPS.indexOf(w.step) - 1)] ?? 'kind' };
}

/** What is asked of the agent, in this order, to get the drive. */
export function requests(w: Wizard): Request[] {
  const at = url(w.kind, w.place);
  const mount: Request = {
    ask: 'mount',
    url: at,
    mountpoint: w.mountpoint.trim(),
    name: w.name.trim() === '' ? null : w.name.trim(),
    read_only: w.readOnly,
  };
  const makes = w.tested.is === 'found' && w.tested.found === 'free';
  return makes ? [{ ask: 'init', url: at }, mount] : [mount];
}
