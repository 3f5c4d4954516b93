// Whether everybody can use what a page shows: nothing that axe calls serious or critical, contrast included.

import { createRequire } from 'node:module';

import type { AxeResults, RunOptions } from 'axe-core';
import type { Page } from 'playwright-core';
import { expect } from 'vitest';

const axe = createRequire(import.meta.url).resolve('axe-core');

export async function check(page: Page): Promise<void> {
  // Read by the browser's debugger, so that the page's own policy stays as strict as it is.
  const { readFile } = await import('node:fs/promises');
  await page.evaluate(await readFile(axe, 'utf8'));
  const results = await page.evaluate(async () => {
    const { axe: tool } = globalThis as unknown as { axe: { run: (o: RunOptions) => Promise<AxeResults> } };
    return tool.run({ resultTypes: ['violations'] });
  });
  expect(results.passes.length).toBeGreaterThan(10);
  const bad = results.violations
    .filter((v) => v.impact === 'serious' || v.impact === 'critical')
    .map((v) => `${v.id}: ${v.nodes.map((n) => `${n.html} ${n.failureSummary ?? ''}`).join('\n')}`);
  expect(bad).toEqual([]);
}
