// Pictures of every view, into the folder that LACUNA_PICTURES names. Without it only that each can be drawn.

import { mkdirSync } from 'node:fs';
import { join } from 'node:path';

import { expect, test } from 'vitest';

import { open, row, VIEWS, type Options } from './page';

const folder = process.env['LACUNA_PICTURES'];
if (folder) mkdirSync(folder, { recursive: true });

const SCENES: [string, Options][] = [
  ...VIEWS.map((view): [string, Options] => [view, { view, state: view === 'problems' ? 'problem' : 'syncing' }]),
  ['overview-synced', { state: 'synced' }],
  ['overview-problem', { state: 'problem' }],
  ['overview-paused', { state: 'paused' }],
  ['overview-offline', { state: 'offline' }],
  ['overview-down', { state: 'down' }],
  ['overview-many', { state: 'many' }],
  ['first-run', { state: 'empty' }],
  ['transfers-thousand', { state: 'thousand', view: 'transfers' }],
  ['nothing-known', { state: 'nothing' }],
  ['transfers-names', { state: 'names', view: 'transfers' }],
  ['transfers-empty', { state: 'synced', view: 'transfers' }],
  ['problems-none', { state: 'synced', view: 'problems' }],
  ['settings-signed-out', { view: 'settings', account: 'out' }],
  ['problems-signed-out', { view: 'problems', state: 'signed-out' }],
  ['german', { state: 'problem', language: 'de' }],
  ['german-problems', { state: 'problem', language: 'de', view: 'problems' }],
  ['german-settings', { state: 'problem', language: 'de', view: 'settings' }],
];

const MAIN = SCENES.slice(0, 14);

const LOOKS = [
  { name: 'light-100', appearance: 'light', width: 1000, height: 720, scale: 1, scenes: SCENES },
  { name: 'dark-100', appearance: 'dark', width: 1000, height: 720, scale: 1, scenes: SCENES },
  { name: 'light-200', appearance: 'light', width: 720, height: 480, scale: 2, scenes: MAIN },
  { name: 'dark-200', appearance: 'dark', width: 720, height: 480, scale: 2, scenes: MAIN },
  // The smallest window with everything twice as big.
  { name: 'light-zoomed', appearance: 'light', width: 360, height: 240, scale: 2, scenes: MAIN },
] as const;

for (const look of LOOKS) {
  for (const [scene, options] of look.scenes) {
    test(`${scene} ${look.name}`, async () => {
      const page = await open({
        ...options,
        appearance: look.appearance,
        context: { viewport: { width: look.width, height: look.height }, deviceScaleFactor: look.scale },
      });
      if (options.view === 'files') {
        await row(page, 'Disk images').dblclick();
        await row(page, 'router.img').click();
        await page.getByRole('img', { name: /Where the bytes/ }).waitFor();
      }
      const wide = await page.evaluate(() => document.documentElement.scrollWidth > window.innerWidth);
      expect(wide, 'wider than the window').toBe(false);
      const picture = await page.screenshot(folder ? { path: join(folder, `${scene}-${look.name}.png`) } : {});
      expect(picture.length).toBeGreaterThan(5000);
    });
  }
}

/** The wizard at a place of the Hub, and the dialog for signing in. */
const HUB: [string, Options][] = [
  ['asking', { slow: 'yes' }],
  ['out', { account: 'out' }],
  ['in', {}],
  ['many', { account: 'many' }],
  ['none', { account: 'none' }],
  ['stored', { account: 'stored' }],
  ['offline', { account: 'offline' }],
  ['file', { account: 'file', language: 'de' }],
  ['german', { account: 'out', language: 'de' }],
];

for (const look of LOOKS) {
  for (const [scene, options] of HUB) {
    test(`hub ${scene} ${look.name}`, async () => {
      const page = await open({
        ...options,
        view: 'settings',
        appearance: look.appearance,
        context: { viewport: { width: look.width, height: look.height }, deviceScaleFactor: look.scale },
      });
      await page.getByRole('button', { name: /Add a drive|Laufwerk hinzu/ }).click();
      const dialog = page.getByRole('dialog');
      await dialog.getByRole('radio', { name: /Hugging Face/ }).check();
      await dialog.getByRole('button', { name: /Next|Weiter/ }).click();
      if (scene === 'in') await dialog.getByRole('radio', { name: /mara.photos/ }).check();
      await dialog.locator('.sign-in .line, .sign-in p, .sign-in [role=alert]').first().waitFor();
      if (['in', 'many', 'file'].includes(scene)) await dialog.locator('.bucket').first().waitFor();
      const wide = await page.evaluate(() => {
        const body = document.querySelector('dialog .body');
        return document.documentElement.scrollWidth > window.innerWidth || (body?.scrollWidth ?? 0) > (body?.clientWidth ?? 0);
      });
      expect(wide, 'wider than the window').toBe(false);
      const picture = await page.screenshot(folder ? { path: join(folder, `hub-${scene}-${look.name}.png`) } : {});
      expect(picture.length).toBeGreaterThan(5000);
    });
  }
}
