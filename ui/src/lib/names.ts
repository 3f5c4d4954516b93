// File names may hold anything but a slash. What would not be seen, or would turn the text around, is shown.

export interface Piece {
  text: string;
  /** The name of a character that is shown in place of itself, such as `U+202E`. */
  hidden: boolean;
}

// Control characters, marks of direction, joiners, line separators, the byte order mark, half surrogates.
const HIDDEN =
  /[\p{Cc}\u00ad\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2064\u2066-\u206f\ufeff\ufff9-\ufffb\ud800-\udfff]/u;

const code = (c: string) => `U+${(c.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, '0')}`;

/** A name in pieces, each plain text or the code of one hidden character. */
export function pieces(name: string): Piece[] {
  const out: Piece[] = [];
  for (const c of name) {
    const hidden = HIDDEN.test(c);
    const last = out.at(-1);
    if (hidden) out.push({ text: code(c), hidden });
    else if (last && !last.hidden) last.text += c;
    else out.push({ text: c, hidden });
  }
  return out;
}

/** The same as one line of text, for names that only a screen reader or a tooltip tells. */
export const plain = (name: string): string =>
  pieces(name)
    .map((p) => (p.hidden ? `<${p.text}>` : p.text))
    .join('');

/** The last part of a path. */
export const base = (path: string): string => path.slice(path.lastIndexOf('/') + 1);

/** What is before it, without the slash; empty at the root. */
export const folder = (path: string): string => path.slice(0, Math.max(0, path.lastIndexOf('/')));

export const join = (dir: string, name: string): string => (dir === '' ? name : `${dir}/${name}`);

/** Each folder on the way to `path`, the outermost first, with its own path. */
export function trail(path: string): { name: string; path: string }[] {
  if (path === '') return [];
  const parts = path.split('/');
  return parts.map((name, i) => ({ name, path: parts.slice(0, i + 1).join('/') }));
}
