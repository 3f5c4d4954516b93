// Every view in light and dark, in several states: nothing that axe calls serious or critical, contrast included.

import { test } from 'vitest';

import type { View } from '../../src/lib/backend';

import { check } from './check';
import { open, row, VIEWS, type Options } from './page';

const STATES: Record<View, string[]> = {
  overview: ['syncing', 'problem', 'paused', 'down', 'empty'],
  transfers: ['syncing', 'names', 'down'],
  activity: ['syncing', 'empty', 'down'],
  files: ['syncing', 'names', 'down'],
  problems: ['syncing', 'problem', 'down'],
  settings: ['syncing', 'down'],
};

for (const appearance of ['light', 'dark'] as const) {
  for (const view of VIEWS) {
    test(`${view}, ${appearance}`, async () => {
      for (const state of STATES[view]) {
        const page = await open({ view, state, appearance });
        if (view === 'files' && (state === 'syncing' || state === 'names')) {
          await row(page).first().click();
          await page.getByRole('region', { name: 'Details of the file' }).waitFor();
        }
        await check(page);
        await page.context().close();
      }
    });
  }

  test(`dialogs and messages, ${appearance}`, async () => {
    const page = await open({ view: 'settings', appearance });
    await page.getByRole('button', { name: 'Remove photos' }).click();
    await page.getByRole('dialog').waitFor();
    await check(page);
    await page.keyboard.press('Escape');

    await page.getByRole('button', { name: 'Add a drive' }).click();
    await check(page);
    await page.getByRole('button', { name: 'Next' }).click();
    await page.getByLabel('Folder of the bucket').fill('/srv/wrong');
    await page.getByRole('button', { name: 'Test' }).first().click();
    await page.getByText('the folder is not empty').waitFor();
    await check(page);
  });

  test(`small and twice as big, ${appearance}`, async () => {
    for (const view of VIEWS) {
      const options: Options = { view, appearance, context: { viewport: { width: 360, height: 240 } } };
      const page = await open(options);
      await check(page);
      await page.context().close();
    }
  });
}
