// The page in another language is complete: what the engine says is translated, and what is not is marked.

import { expect, test } from 'vitest';

import { open, type Options } from './page';

const german = (options: Options) => open({ language: 'de', ...options });

/** What is marked as English; its text. */
const ENGLISH = '[lang=en]';

test('problems are told in German, with names and commands as they are', async () => {
  const page = await german({ state: 'problem', view: 'problems' });
  const items = page.getByRole('main').getByRole('listitem');
  expect(await items.nth(0).innerText()).toMatch(
    /beim Öffnen des Buckets: es ist kein Platz mehr\s+Was zu tun ist: machen Sie Platz auf der Platte, auf der \/srv\/buckets liegt/,
  );
  expect(await items.nth(1).innerText()).toContain('Notes/Ideas.md wurde anderswo geändert');
  expect(await items.nth(2).getByRole('heading').innerText()).toBe('Auf diesem Rechner ist kein Platz mehr');
  expect(await items.nth(2).locator('code').innerText()).toBe('lacuna evict');
  expect(await page.getByRole('main').locator(ENGLISH).count()).toBe(0);
});

test('the cause and the remedy of a missing agent are two lines, and apart as text', async () => {
  const page = await german({});
  await page.evaluate(() => globalThis.lacunaDemo?.down());
  const banner = page.getByRole('alert');
  expect(await banner.locator('p').nth(1).innerText()).toBe('der Dienst hat geendet');
  expect(await banner.locator('p').nth(2).innerText()).toBe(
    'Was zu tun ist: warum, steht in agent.log; lacuna mount startet ihn wieder',
  );
  expect(await banner.textContent()).toMatch(/der Dienst hat geendet\s+Was zu tun ist:/);
  expect(await banner.locator(ENGLISH).count()).toBe(0);
});

test('a failure that nobody knows stays English and says so; a name in it is only text', async () => {
  const page = await german({});
  await page.evaluate(() => {
    const demo = globalThis.lacunaDemo;
    if (!demo) return;
    demo.refuse['flush'] = {
      kind: 'offline',
      cause: "the Hub can't be reached: no route <b>x</b>",
      remedy: 'unpin \'<img src=x onerror="alert(1)">\' first',
      path: null,
    };
  });
  await page.getByRole('button', { name: 'Senden' }).first().click();
  const alert = page.getByRole('alert');
  expect(await alert.innerText()).toMatch(
    /Nicht erreichbar: der Hub ist nicht erreichbar: no route <b>x<\/b>\s+Was zu tun ist: behalten Sie zuerst „<img src=x onerror="alert\(1\)">“ nicht mehr hier/,
  );
  expect(await alert.locator(ENGLISH).allInnerTexts()).toEqual(['no route <b>x</b>']);
  expect(await alert.locator('b, img').count()).toBe(0);
});

test('the wizard says in German what is wrong', async () => {
  const page = await german({ view: 'settings' });
  await page.getByRole('button', { name: 'Laufwerk hinzufügen' }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByRole('button', { name: 'Weiter' }).click();
  await dialog.getByLabel('Ordner des Buckets').fill('/srv/wrong');
  await page.keyboard.press('Enter');
  await dialog.getByText('der Ordner ist nicht leer: er enthält').waitFor();
  await dialog.getByText('wählen Sie einen leeren oder neuen Ordner').waitFor();
  expect(await dialog.locator(ENGLISH).count()).toBe(0);
});

test('English marks nothing', async () => {
  const page = await open({ state: 'problem', view: 'problems' });
  expect(await page.getByRole('main').locator(ENGLISH).count()).toBe(0);
});
