// Which rows of a long list are in the page.

export interface Window {
  first: number;
  /** One past the last one. */
  end: number;
}

/** The rows to draw of `count` rows of `row` pixels each, with `over` more on both sides. */
export function rows(scroll: number, height: number, row: number, count: number, over = 6): Window {
  const first = Math.max(0, Math.min(count, Math.floor(scroll / row)) - over);
  const end = Math.min(count, Math.ceil((scroll + height) / row) + over);
  return { first, end: Math.max(first, end) };
}

/** Where to scroll so that row `index` is wholly visible; the same place if it is. */
export function reveal(index: number, scroll: number, height: number, row: number): number {
  const top = index * row;
  if (top < scroll) return top;
  if (top + row > scroll + height) return top + row - height;
  return scroll;
}

/** The row that a key leads to, or none if the key is of no use here. */
export function move(key: string, at: number, count: number, page: number): number | null {
  if (count === 0) return null;
  const to = (n: number) => Math.max(0, Math.min(count - 1, n));
  switch (key) {
    case 'ArrowDown':
      return to(at + 1);
    case 'ArrowUp':
      return to(at < 0 ? 0 : at - 1);
    case 'PageDown':
      return to(Math.max(0, at) + page);
    case 'PageUp':
      return to(at - page);
    case 'Home':
      return 0;
    case 'End':
      return count - 1;
    default:
      return null;
  }
}
