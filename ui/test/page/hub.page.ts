// Signing in to the Hub and choosing a bucket of it: in the wizard, in the settings, from a problem.

import type { Locator, Page } from 'playwright-core';
import { describe, expect, test } from 'vitest';

import { check } from './check';
import { calls, open, type Options } from './page';

const GOOD = 'hf_good_but_secret';

/** The wizard at the step for a place at the Hub. */
async function wizard(options: Options): Promise<{ page: Page; dialog: Locator }> {
  const page = await open({ view: 'settings', ...options });
  await page.getByRole('button', { name: 'Add a drive' }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByRole('radio', { name: /Hugging Face/ }).check();
  await dialog.getByRole('button', { name: 'Next' }).click();
  await dialog.getByLabel(/^(Name at the Hub|Or the name of another)$/).waitFor();
  return { page, dialog };
}

describe('the wizard', () => {
  test('takes a token, shows the buckets, and mounts the one that is chosen', async () => {
    const { page, dialog } = await wizard({ account: 'out' });
    await dialog.getByText('huggingface.co/settings/tokens').waitFor();
    const token = dialog.getByLabel('Token', { exact: true });
    expect(await token.getAttribute('type')).toBe('password');
    expect(await dialog.getByRole('button', { name: 'Sign in', exact: true }).isDisabled()).toBe(true);
    await token.fill('hf_wrong');
    await page.keyboard.press('Enter');
    await dialog.getByRole('alert').getByText('the Hub does not know this token').waitFor();
    expect(await dialog.getByRole('alert').innerText()).toContain('What to do:');
    await token.fill(GOOD);
    await page.keyboard.press('Enter');
    await dialog.getByText('Signed in as mara').waitFor();
    await dialog.getByText('The token is in the keychain.').waitFor();
    const photos = dialog.getByRole('radio', { name: /mara\/photos/ });
    await photos.check();
    expect(await dialog.getByLabel('Or the name of another').inputValue()).toBe('hf://buckets/mara/photos');
    await dialog.getByRole('button', { name: 'Next' }).click();
    await dialog.getByLabel('Name of the drive').fill('pictures');
    await dialog.getByRole('button', { name: 'Create drive' }).click();
    await dialog.getByText('pictures is ready.').waitFor();
    const asked = await calls(page);
    expect(asked).toContain('ask [{"ask":"probe","url":"hf://buckets/mara/photos"}]');
    expect(asked.some((c) => c.includes('"ask":"mount","url":"hf://buckets/mara/photos"'))).toBe(true);
    expect(await page.content()).not.toContain(GOOD);
  });

  test('lists own buckets and those of organisations, private or not, as large as they are', async () => {
    const { dialog } = await wizard({});
    const list = dialog.getByRole('group', { name: 'Your buckets' });
    await list.getByRole('radio').first().waitFor();
    const rows = await list.locator('label').allInnerTexts();
    expect(rows.map((r) => r.replace(/\s+/g, ' ').trim())).toEqual([
      'mara/archive Private 640 MB, 1,204 files',
      'mara/photos 81 GB, 20,311 files',
      'mara/drafts Private 0 bytes, 0 files',
      'harbour-lab/recordings Private 1.4 TB, 88,120 files',
      'harbour-lab/oddU+202Ename',
    ]);
  });

  test('filters many, and shows more when asked', async () => {
    const { page, dialog } = await wizard({ account: 'many' });
    const list = dialog.getByRole('group', { name: 'Your buckets' });
    await expect.poll(() => list.getByRole('radio').count()).toBe(100);
    await list.getByRole('button', { name: 'Show more' }).click();
    await expect.poll(() => list.getByRole('radio').count()).toBe(200);
    await list.getByRole('button', { name: 'Show more' }).click();
    await dialog.getByText('The token may not list the buckets of closed-club.').waitFor();
    await dialog.getByLabel('Filter by name').fill('Set-22');
    expect(await list.getByRole('radio').count()).toBe(10);
    await page.keyboard.press('Enter');
    expect(await dialog.getByLabel('Filter by name').inputValue(), 'Enter is no next step').toBe('Set-22');
    await dialog.getByLabel('Filter by name').fill('nothing like it');
    await dialog.getByText('No name has this in it.').waitFor();
  });

  test('says what to do where there is no bucket, and still takes a name', async () => {
    const { page, dialog } = await wizard({ account: 'none' });
    await dialog.getByText('No bucket yet').waitFor();
    await dialog.getByRole('button', { name: 'Look again' }).click();
    await dialog.getByText('No bucket yet').waitFor();
    expect((await calls(page)).filter((c) => c.includes('"ask":"buckets"'))).toHaveLength(2);
    await dialog.getByLabel('Or the name of another').fill('datasets/mara/tides');
    await page.keyboard.press('Enter');
    await dialog.getByLabel('Name of the drive').waitFor();
    expect(await dialog.getByRole('checkbox', { name: 'Programs may only read' }).isDisabled()).toBe(true);
  });

  test('without an account public places are mounted all the same', async () => {
    const { page, dialog } = await wizard({ account: 'out' });
    await dialog.getByLabel('Name at the Hub').fill('models/mara/small');
    await dialog.getByRole('button', { name: 'Next' }).click();
    await dialog.getByLabel('Name of the drive').waitFor();
    expect(await calls(page)).toContain('ask [{"ask":"probe","url":"hf://models/mara/small"}]');
  });

  test('takes the token that is on this machine, where the one that counts is refused', async () => {
    const { page, dialog } = await wizard({ account: 'stored' });
    await dialog.getByText('the Hub does not know this token').waitFor();
    await dialog.getByRole('button', { name: 'Use the token already on this machine' }).click();
    await dialog.getByText('Signed in as mara').waitFor();
    expect(await calls(page)).toContain('ask [{"ask":"sign-in","token":null}]');
    await dialog.getByRole('radio', { name: /mara\/archive/ }).waitFor();
  });

  test.each([
    ['cli', 'With the token that the Hugging Face command line has stored in /media/mara/.cache/huggingface/token.'],
    ['env', 'With the token of HF_TOKEN, where the agent was started. It comes before any other.'],
    ['file', 'There is no keychain here, so the token is in /media/mara/.config/lacuna/tokens.json, which only you may read.'],
  ])('says where the token is: %s', async (account, words) => {
    const { dialog } = await wizard({ account });
    await dialog.getByText(words).waitFor();
  });

  test('says that the Hub can not be reached, and asks again', async () => {
    const { page, dialog } = await wizard({ account: 'offline' });
    await dialog.getByText("the Hub can't be reached: no route").waitFor();
    expect(await dialog.getByLabel('Token', { exact: true }).count()).toBe(0);
    await dialog.getByRole('button', { name: 'Try again' }).click();
    await expect.poll(async () => (await calls(page)).filter((c) => c.includes('"ask":"account"')).length).toBe(3);
  });

  test('nothing moves when the answers come', async () => {
    const place = async (options: Options, ready: string) => {
      const { dialog } = await wizard(options);
      await dialog.getByText(ready).first().waitFor();
      const field = await dialog.locator('#place').boundingBox();
      return [Math.round(field?.y ?? 0), Math.round((await dialog.boundingBox())?.height ?? 0)];
    };
    const asking = await place({ slow: 'yes' }, 'Asking the Hub who you are…');
    for (const [account, ready] of [
      ['in', 'mara/photos'],
      ['file', 'mara/photos'],
      ['cli', 'mara/photos'],
      ['many', 'set-001'],
      ['none', 'No bucket yet'],
      ['out', 'Nobody is signed in'],
      ['stored', 'Use the token already'],
      ['offline', 'no route'],
    ] as const) {
      expect(await place({ account }, ready), account).toEqual(asking);
    }
  });
});

test('by keyboard alone: a token, a bucket, the next step', async () => {
  const { page, dialog } = await wizard({ account: 'out' });
  const until = async (what: Locator) => {
    for (let i = 0; i < 20; i++) {
      if (await what.evaluate((e) => e === document.activeElement)) return;
      await page.keyboard.press('Tab');
    }
    throw new Error('Tab does not lead there');
  };
  await until(dialog.getByLabel('Token', { exact: true }));
  await page.keyboard.type('hf_bad');
  await page.keyboard.press('Enter');
  await dialog.getByRole('alert').waitFor();
  // The field is still where one types.
  await until(dialog.getByLabel('Token', { exact: true }));
  await page.keyboard.press('Control+A');
  await page.keyboard.type(GOOD);
  await until(dialog.getByRole('button', { name: 'Sign in', exact: true }));
  await page.keyboard.press('Space');
  const first = dialog.getByRole('radio', { name: /mara\/archive/ });
  await first.waitFor();
  expect(await page.evaluate(() => document.activeElement?.closest('dialog') !== null), 'the focus stays inside').toBe(true);
  expect(await page.getByTestId('said').textContent()).toBe('Signed in as mara.');
  await until(first);
  await page.keyboard.press('ArrowDown');
  expect(await dialog.getByRole('radio', { name: /mara\/photos/ }).isChecked()).toBe(true);
  await page.keyboard.press('Enter');
  await dialog.getByLabel('Name of the drive').waitFor();
});

test('a problem of signing in has a button that leads there, and drives go on', async () => {
  const page = await open({ state: 'signed-out', view: 'problems', account: 'stored' });
  await page.getByRole('heading', { name: 'The remote does not know who you are' }).waitFor();
  await page.getByRole('button', { name: 'Sign in…' }).click();
  const dialog = page.getByRole('dialog', { name: 'Sign in to Hugging Face' });
  await dialog.getByLabel('Token', { exact: true }).fill(GOOD);
  await dialog.getByRole('button', { name: 'Sign in', exact: true }).click();
  await dialog.getByText('Signed in as mara').waitFor();
  await dialog.getByRole('button', { name: 'Done' }).click();
  await dialog.waitFor({ state: 'detached' });
  await page.getByText('No problems').waitFor();
});

test('the settings show the account, change it and sign out', async () => {
  const page = await open({ view: 'settings' });
  const section = page.getByRole('region', { name: 'Hugging Face' });
  await section.getByText('Signed in as mara').waitFor();
  await section.getByRole('button', { name: 'Use another token' }).click();
  expect(await section.getByLabel('Token', { exact: true }).evaluate((e) => e === document.activeElement)).toBe(true);
  await section.getByRole('button', { name: 'Cancel' }).click();
  await section.getByRole('button', { name: 'Sign out' }).click();
  await section.getByText('Nobody is signed in').waitFor();
  await page.getByText('Signed out. Drives that need an account say so.').waitFor();
  await section.getByLabel('Token', { exact: true }).waitFor();
});

test('a token that Lacuna does not keep can not be forgotten here', async () => {
  for (const account of ['env', 'cli']) {
    const page = await open({ view: 'settings', account });
    await page.getByText('Signed in as mara').waitFor();
    expect(await page.getByRole('button', { name: 'Sign out' }).count()).toBe(0);
    await page.context().close();
  }
});

for (const appearance of ['light', 'dark'] as const) {
  test(`can be used by everybody, ${appearance}`, async () => {
    for (const [account, ready] of [
      ['out', 'Nobody is signed in'],
      ['in', 'mara/photos'],
      ['many', 'set-001'],
      ['none', 'No bucket yet'],
      ['stored', 'Use the token already'],
      ['offline', 'no route'],
    ] as const) {
      const { page, dialog } = await wizard({ account, appearance });
      await dialog.getByText(ready).first().waitFor();
      if (account === 'in') await dialog.getByRole('radio', { name: /mara\/photos/ }).check();
      await check(page);
      await page.context().close();
    }
    const page = await open({ state: 'signed-out', view: 'problems', account: 'out', appearance });
    await page.getByRole('button', { name: 'Sign in…' }).click();
    await page.getByRole('dialog').getByLabel('Token', { exact: true }).waitFor();
    await check(page);
  });
}
