// A folder of a drive as the file browser has it: page by page, asked again when the drive has news.

import { failure, type Entry, type Failure, type Listing } from './api';

/** Entries of one question. */
export const PAGE = 200;

export type List = (after: string | null, limit: number) => Promise<Listing>;

export class Folder {
  entries = $state.raw<Entry[]>([]);
  more = $state(false);
  /** The first answer is there. */
  known = $state(false);
  wrong = $state.raw<Failure | null>(null);
  #asking = false;
  #stale = false;

  constructor(readonly list: List) {}

  /** Goes on after the last entry. */
  next(): Promise<void> {
    return this.#ask(async () => {
      const page = await this.list(this.entries.at(-1)?.name ?? null, PAGE);
      this.entries = [...this.entries, ...page.entries];
      this.more = page.more;
    });
  }

  /** Asks anew for as much as is there, so that nothing jumps under the reader. */
  refresh(): Promise<void> {
    return this.#ask(async () => {
      const wanted = Math.max(PAGE, this.entries.length);
      const all: Entry[] = [];
      let more = true;
      while (more && all.length < wanted) {
        const page = await this.list(all.at(-1)?.name ?? null, Math.min(1000, wanted - all.length));
        all.push(...page.entries);
        more = page.more && page.entries.length > 0;
      }
      this.entries = all;
      this.more = more;
    });
  }

  // One question at a time; a wish to refresh meanwhile is kept.
  async #ask(what: () => Promise<void>): Promise<void> {
    if (this.#asking) {
      this.#stale = true;
      return;
    }
    this.#asking = true;
    try {
      await what();
      this.wrong = null;
    } catch (thrown) {
      this.wrong = failure(thrown);
      this.more = false;
    }
    this.known = true;
    this.#asking = false;
    if (this.#stale) {
      this.#stale = false;
      await this.refresh();
    }
  }
}
