// Two minutes of traffic before the page was opened, so that the plot has something to show.

import { app } from '../app.svelte';
import { WINDOW } from '../rates';

export function history(): void {
  const now = Date.now();
  for (let s = 0; s < WINDOW - 12; s++) {
    const wave = Math.max(0, Math.sin(s / 9) + 0.5 * Math.sin(s / 2.3 + 1));
    const burst = s > 30 && s < 44 ? 1.4e6 : 9e4;
    const up = s < 18 ? 0 : 2.4e6 * wave;
    app.rates.push({ at: now - (WINDOW - s) * 1000, up, down: burst * (0.6 + 0.4 * Math.cos(s / 3)) });
  }
}
