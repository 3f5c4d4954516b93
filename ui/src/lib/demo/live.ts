// Lets the invented drives move, for development: `?live`.

import type { Demo } from './backend';

/** Sends some of what waits, as a network would, five times a second. */
export function live(d: Demo): void {
  setInterval(() => {
    let moved = false;
    for (const drive of d.drives) {
      if (drive.paused || drive.state !== 'syncing') continue;
      const next = drive.queue.find((i) => i.state === 'uploading') ?? drive.queue.find((i) => i.state !== 'conflict');
      if (!next) continue;
      moved = true;
      next.state = 'uploading';
      const step = Math.min(next.bytes - next.sent, Math.round(Math.random() * 900_000));
      next.sent += step;
      drive.rate = { up: step * 5, down: Math.round(Math.random() * 80_000) };
      if (next.sent >= next.bytes) {
        drive.queue = drive.queue.filter((i) => i !== next);
        drive.pending = { files: drive.pending.files - 1, bytes: drive.pending.bytes - next.bytes };
        drive.saves += 1;
        if (drive.pending.files <= 0) Object.assign(drive, { state: 'synced', rate: { up: 0, down: 0 } });
      }
    }
    if (moved) d.push();
  }, 200);
}
