// What each view says and does in the states that matter.

import { describe, expect, test } from 'vitest';

import { calls, change, go, open, row } from './page';

/** Without the spaces that do not break. */
const plain = (text: string | null) => (text ?? '').replace(/[\u00a0\u202f]/g, ' ');

describe('overview', () => {
  const lines: [string, string, string][] = [
    ['synced', 'Everything is synced', 'Everything is synced: safe to shut down'],
    ['syncing', 'Sending your changes', '6 files, 65 MB waiting, about 18 secs left'],
    ['paused', 'Sending is paused', 'Paused for 42 mins · 2 files, 25 MB waiting'],
    ['offline', "A remote can't be reached", "The remote can't be reached · 2 files, 25 MB waiting"],
    ['problem', '3 things need you', '3 things need you · 3 files, 26 MB waiting'],
  ];
  test.each(lines)('%s', async (state, title, line) => {
    const page = await open({ state });
    expect(plain(await page.getByRole('heading', { level: 1 }).textContent())).toBe(title);
    const card = page.getByRole('article').first();
    expect(plain(await card.innerText())).toContain(line);
    expect(await card.locator('svg').first().getAttribute('class')).toContain(
      await card.getAttribute('data-state'),
    );
  });

  test('sends at once, and says when it is done or why not', async () => {
    const page = await open();
    await page.evaluate(() => {
      const demo = globalThis.lacunaDemo;
      if (demo) demo.refuse['flush'] = { kind: 'offline', cause: 'no route to the remote', remedy: 'plug the cable in', path: null };
    });
    await page.getByRole('button', { name: 'Send now' }).click();
    const alert = page.getByRole('alert');
    expect(await alert.innerText()).toMatch(/Not everything of photos could be sent\s+Can't be reached: no route to the remote\s+What to do: plug the cable in/);
    await alert.getByRole('button', { name: 'Dismiss' }).click();
    await page.getByRole('button', { name: 'Send now' }).click();
    await page.getByText('photos: everything is sent.').waitFor();
    await page.getByText('Everything is synced: safe to shut down').first().waitFor();
    expect(await calls(page)).toContain('ask [{"ask":"flush","drive":"photos"}]');
  });

  test('opens the folder', async () => {
    const page = await open();
    await page.getByRole('button', { name: 'Open' }).first().click();
    expect(await calls(page)).toContain('open_path ["/media/mara/photos"]');
  });

  test('tells screen readers when a drive changes its state, and only then', async () => {
    const page = await open();
    const said = page.getByTestId('said');
    await change(page, (d) => {
      const [drive] = d.drives;
      if (drive) drive.rate.up = 1;
    });
    expect(await said.textContent()).toBe('');
    await change(page, (d) => {
      const [drive] = d.drives;
      if (drive) drive.state = 'offline';
    });
    await expect.poll(() => said.textContent()).toBe('photos: Offline');
  });
});

describe('the agent', () => {
  test('goes: the last state stays, dimmed and without use; comes back: all goes on', async () => {
    const page = await open();
    await page.evaluate(() => globalThis.lacunaDemo?.down());
    await page.getByText("Lacuna's agent does not answer.").first().waitFor();
    expect(await page.locator('[data-stale]').innerText()).toContain('photos');
    for (const button of await page.getByRole('article').getByRole('button').all())
      expect(await button.isDisabled()).toBe(true);
    await page.evaluate(() => globalThis.lacunaDemo?.push());
    await page.locator('[data-stale]').waitFor({ state: 'detached' });
    expect(await page.getByRole('button', { name: 'Open' }).first().isEnabled()).toBe(true);
    expect(await page.getByTestId('said').textContent()).toBe("Lacuna's agent is back.");
  });

  test('has never answered: the page says so and shows no drives', async () => {
    const page = await open({ state: 'nothing' });
    await page.getByText('Nothing is known yet').waitFor();
    expect(await page.getByText('No drive yet').count()).toBe(0);
    await page.evaluate(() => globalThis.lacunaDemo?.push());
    await page.getByText('No drive yet').waitFor();
  });
});

test('from nothing to a drive in two clicks, and a third opens it', async () => {
  const page = await open({ state: 'empty' });
  await page.getByRole('button', { name: 'Create my drive' }).click();
  await page.getByText('Lacuna is ready.').waitFor();
  await expect.poll(async () => (await calls(page)).some((c) => c.startsWith('set_preferences') && c.includes('"first_run":false'))).toBe(true);
  await page.getByRole('button', { name: 'Open the folder' }).click();
  const bucket = 'store:/media/mara/.local/share/lacuna/bucket';
  expect((await calls(page)).filter((c) => !/^(hello|set_preferences)/.test(c))).toEqual([
    `ask [{"ask":"probe","url":"${bucket}"}]`,
    `ask [{"ask":"init","url":"${bucket}"}]`,
    'ensure_folder ["/media/mara/Lacuna"]',
    `ask [{"ask":"mount","url":"${bucket}","mountpoint":"/media/mara/Lacuna","name":null,"read_only":false}]`,
    'open_path ["/media/mara/Lacuna"]',
  ]);
});

test('the wizard tests a place, says what is wrong, and mounts it', async () => {
  const page = await open({ view: 'settings' });
  await page.getByRole('button', { name: 'Add a drive' }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByRole('button', { name: 'Next' }).click();
  await dialog.getByLabel('Folder of the bucket').fill('/srv/wrong');
  await page.keyboard.press('Enter');
  await dialog.getByText('choose an empty or a new folder').waitFor();
  await dialog.getByRole('button', { name: 'Choose…' }).click();
  expect(await dialog.getByLabel('Folder of the bucket').inputValue()).toBe('/media/mara/Buckets/new');
  await page.getByLabel('Folder of the bucket').focus();
  await page.keyboard.press('Enter');
  await dialog.getByText('This place is free').waitFor();
  await page.keyboard.press('Enter');
  expect(await dialog.getByLabel('Where it appears').inputValue()).toBe('/media/mara/new');
  await dialog.getByLabel('Name of the drive').fill('letters');
  expect(await dialog.getByLabel('Where it appears').inputValue()).toBe('/media/mara/letters');
  await dialog.getByRole('button', { name: 'Create drive' }).click();
  await dialog.getByText('letters is ready.').waitFor();
  await dialog.getByRole('button', { name: 'Done' }).click();
  expect(await calls(page)).toContain(
    'ask [{"ask":"mount","url":"store:/media/mara/Buckets/new","mountpoint":"/media/mara/letters","name":"letters","read_only":false}]',
  );
  await page.getByRole('heading', { name: 'letters' }).waitFor();
});

test('problems name cause, remedy and, where there is one, a button', async () => {
  const page = await open({ state: 'problem', view: 'problems' });
  const items = page.getByRole('main').getByRole('listitem');
  expect(await items.count()).toBe(3);
  // The worst first.
  expect(await items.first().innerText()).toContain('The remote has no space left');
  await items.nth(0).getByRole('button', { name: 'Try again now' }).click();
  await items.nth(1).getByRole('button', { name: 'Show in file manager' }).click();
  await items.nth(2).getByRole('button', { name: 'Free up space' }).click();
  await page.getByText(/^Freed /).waitFor();
  expect((await calls(page)).slice(-3)).toEqual([
    'ask [{"ask":"retry","drive":"photos"}]',
    'reveal ["photos","Notes/Ideas (conflicted copy, anvil, 2026-11-23).md"]',
    'ask [{"ask":"evict","drive":"photos","path":""}]',
  ]);
});

test('activity shows receipts, and is asked again only when there are new saves', async () => {
  const page = await open({ view: 'activity' });
  await row(page, /142 kB sent of 200 MB/).first().waitFor();
  const asked = async () => (await calls(page)).filter((c) => c.includes('"ask":"activity"')).length;
  expect(await asked()).toBe(1);
  await change(page, (d) => {
    const [drive] = d.drives;
    if (drive) drive.sent_bytes += 1;
  });
  expect(await asked()).toBe(1);
  await change(page, (d) => {
    const [drive] = d.drives;
    if (drive) drive.saves += 1;
  });
  await expect.poll(asked).toBe(2);
  await page.getByText('not sent, in the last 28 saves').waitFor();
});

test('a retry counts down by itself', async () => {
  const page = await open({ view: 'transfers' });
  const waits = row(page, /archive\.mbox/);
  await expect
    .poll(async () => plain(await waits.textContent()), { timeout: 10_000 })
    .toMatch(/Retry in (8|9|10) secs/);
  await waits.click();
  await page.getByText('Tried 3 times.').waitFor();
});

test('a file is shown, kept and freed', async () => {
  const page = await open({ view: 'files' });
  await row(page, 'Films').dblclick();
  await row(page, 'Lisbon, final cut.mov').click();
  const map = page.getByRole('img', { name: /Where the bytes/ });
  expect(plain(await map.getAttribute('aria-label'))).toBe(
    'Where the bytes of this file are: Only at the remote 3.5 GB, On this machine 600 MB',
  );
  await page.getByRole('button', { name: 'Free up space' }).click();
  await page.getByText('Freed 600 MB.').waitFor();
  await page.getByRole('button', { name: 'Keep on this machine' }).click();
  await page.getByRole('button', { name: 'Keep no longer' }).waitFor();
  await page.getByRole('region', { name: 'Details' }).getByRole('button', { name: 'Show in file manager' }).click();
  expect((await calls(page)).at(-1)).toBe('reveal ["photos","Films/Lisbon, final cut.mov"]');
});

test('names are only ever text', async () => {
  const page = await open({ state: 'names', view: 'files' });
  await row(page, 'Odd names').dblclick();
  await row(page, /onerror/).waitFor();
  expect(await page.locator('[role=listbox] img, [role=listbox] b').count()).toBe(0);
  const spoofed = row(page, /fdp\.exe/);
  expect(await spoofed.locator('bdi').innerText()).toContain('U+202E');
  expect(await spoofed.innerText()).not.toContain('\u202e');
  for (const view of ['overview', 'transfers', 'activity', 'settings'] as const) {
    await go(page, view);
    expect(await page.getByRole('main').innerText()).not.toContain('\u202e');
  }
});

test('settings are asked for and changed', async () => {
  const page = await open({ view: 'settings' });
  await page.getByRole('checkbox', { name: 'Limit sending' }).check();
  await page.getByLabel('Limit sending: amount').fill('2.5');
  await page.keyboard.press('Tab');
  await expect.poll(() => calls(page)).toContain('ask [{"ask":"configure","settings":{"upload_limit":2500000,"download_limit":5000000}}]');
  await page.getByLabel('Limit sending: amount').fill('much');
  await page.keyboard.press('Tab');
  await page.getByText('Write a number above zero.').waitFor();
  await page.getByRole('checkbox', { name: 'Limit the space here' }).first().uncheck();
  await expect.poll(() => calls(page)).toContain('ask [{"ask":"cache-limit","drive":"photos","bytes":null}]');
  await page.getByRole('switch', { name: 'When everything is synced' }).check();
  await page.getByLabel('Language').selectOption('de');
  await page.getByRole('heading', { name: 'Einstellungen' }).waitFor();
  expect(await page.evaluate(() => document.documentElement.lang)).toBe('de');
  await page.getByRole('radio', { name: 'Dunkel' }).check();
  expect(await page.evaluate(() => document.documentElement.dataset['theme'])).toBe('dark');
});

test('a drive is removed after a plain sentence of what stays', async () => {
  const page = await open({ view: 'settings' });
  await page.getByRole('button', { name: 'Remove photos' }).click();
  const dialog = page.getByRole('dialog');
  expect(plain(await dialog.innerText())).toMatch(/6 files, 65 MB waiting\. That stays on this machine/);
  await dialog.getByRole('button', { name: 'Remove' }).click();
  await page.getByText(/photos is removed\. 6 files/).waitFor();
  expect(await calls(page)).toContain('ask [{"ask":"unmount","drive":"photos"}]');
});

test('the tray leads to a view, and to a drive in it', async () => {
  const page = await open();
  await page.evaluate(() => globalThis.lacunaDemo?.navigate({ view: 'files', drive: 'archive' }));
  await row(page, 'Films').waitFor();
  expect(await calls(page)).toContain('ask [{"ask":"list","drive":"archive","path":"","after":null,"limit":200}]');
});

test('a desktop without a tray is told of', async () => {
  const page = await open({ view: 'settings', tray: 'no' });
  await page.getByText('This desktop shows no tray icons').waitFor();
});

test('without a choice the page follows the desktop, light and dark', async () => {
  const page = await open({ context: { colorScheme: 'dark' } });
  const theme = () => page.evaluate(() => document.documentElement.dataset['theme']);
  expect(await theme()).toBe('dark');
  await page.emulateMedia({ colorScheme: 'light' });
  await expect.poll(theme).toBe('light');
});

test('who wants less motion gets none', async () => {
  const page = await open();
  const turning = () => page.evaluate(() => document.getAnimations().length);
  expect(await turning()).toBe(0);
  await page.emulateMedia({ reducedMotion: 'no-preference' });
  await expect.poll(turning).toBeGreaterThan(0);
});
