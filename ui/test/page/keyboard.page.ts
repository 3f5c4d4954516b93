// Everything by keyboard alone.

import type { Page } from 'playwright-core';
import { expect, test } from 'vitest';

import { calls, open, row } from './page';

/** What has the focus, as a screen reader names it. */
const focused = (page: Page) =>
  page.evaluate(() => {
    const e = document.activeElement;
    return e instanceof HTMLElement ? (e.getAttribute('aria-label') ?? e.innerText).trim().split('\n')[0] : '';
  });

/** Presses Tab until the thing of this name has the focus. */
async function tabTo(page: Page, name: string, key = 'Tab'): Promise<void> {
  const seen: (string | undefined)[] = [];
  for (let i = 0; i < 60; i++) {
    await page.keyboard.press(key);
    const now = await focused(page);
    seen.push(now);
    if (now === name) {
      const ring = await page.evaluate(() => {
        const e = document.activeElement;
        return e ? getComputedStyle(e).outlineStyle : 'none';
      });
      expect(ring, `${name} shows that it has the focus`).not.toBe('none');
      return;
    }
  }
  throw new Error(`Tab does not lead to ${name}; it leads to ${seen.join(', ')}`);
}

test('the first key leads to a way past the navigation', async () => {
  const page = await open();
  await page.keyboard.press('Tab');
  expect(await focused(page)).toBe('Skip to the content');
  await page.keyboard.press('Enter');
  expect(await page.evaluate(() => document.activeElement?.id)).toBe('main');
});

test('every view is reached', async () => {
  const page = await open();
  for (const name of ['Transfers', 'Activity', 'Files', 'Problems', 'Settings', 'Overview']) {
    await tabTo(page, name);
    await page.keyboard.press('Enter');
    expect(await page.locator('nav [aria-current=page]').first().innerText()).toContain(name);
    await page.evaluate(() => {
      (document.activeElement as HTMLElement).blur();
    });
  }
});

test('a drive is paused from the menu and goes on again', async () => {
  const page = await open();
  await tabTo(page, 'Pause');
  await page.keyboard.press('ArrowDown');
  expect(await focused(page)).toBe('For 15 minutes');
  await page.keyboard.press('ArrowUp');
  expect(await focused(page)).toBe('Until I resume');
  await page.keyboard.press('Escape');
  expect(await focused(page)).toBe('Pause');
  await page.keyboard.press('Enter');
  await page.keyboard.press('End');
  await page.keyboard.press('Enter');
  await page.getByText('Paused until you resume').first().waitFor();
  expect(await calls(page)).toContain('ask [{"ask":"pause","drive":"photos","until":null}]');
  await tabTo(page, 'Resume');
  await page.keyboard.press('Space');
  await page.getByText('Paused until you resume').first().waitFor({ state: 'detached' });
});

test('a list is walked with the arrows, and the active row is told', async () => {
  const page = await open({ view: 'transfers', state: 'thousand' });
  await tabTo(page, 'Changes that wait or are being sent');
  const active = () =>
    page.evaluate(() => {
      const id = document.activeElement?.getAttribute('aria-activedescendant');
      return id ? document.getElementById(id)?.getAttribute('aria-posinset') : null;
    });
  await page.keyboard.press('ArrowDown');
  expect(await active()).toBe('1');
  await page.keyboard.press('End');
  await expect.poll(active).toBe('1000');
  await page.getByRole('heading', { name: 'Page 1000.tiff' }).waitFor();
  await page.keyboard.press('PageUp');
  await expect.poll(async () => Number(await active())).toBeLessThan(996);
  await page.keyboard.press('Home');
  await expect.poll(active).toBe('1');
  await page.keyboard.press('Enter');
  await page.getByRole('listbox', { name: 'Files' }).waitFor({ state: 'attached', timeout: 5000 }).catch(() => undefined);
  expect(await page.locator('nav [aria-current=page]').first().innerText()).toContain('Files');
});

test('folders are walked, in and out', async () => {
  const page = await open({ view: 'files' });
  await page.getByRole('listbox', { name: 'Files' }).focus();
  await page.keyboard.press('ArrowDown');
  await page.keyboard.press('Enter');
  await row(page, '2026.ods').waitFor();
  await page.getByRole('listbox', { name: 'Files' }).focus();
  await page.keyboard.press('ArrowDown');
  await page.getByRole('img', { name: /Where the bytes/ }).waitFor();
  await tabTo(page, 'Keep on this machine');
  await page.keyboard.press('Enter');
  await page.getByRole('button', { name: 'Keep no longer' }).waitFor();
  await page.getByRole('listbox', { name: 'Files' }).focus();
  await page.keyboard.press('Backspace');
  await row(page, 'Films').waitFor();
  expect(await page.locator('[role=option][aria-selected=true]').innerText()).toContain('Accounts');
});

test('a dialog keeps the focus inside and gives it back', async () => {
  const page = await open();
  await tabTo(page, 'Add a drive');
  await page.keyboard.press('Enter');
  await page.getByRole('dialog').waitFor();
  for (let i = 0; i < 12; i++) {
    await page.keyboard.press('Tab');
    const inside = await page.evaluate(
      () => document.activeElement === document.body || document.activeElement?.closest('dialog') !== null,
    );
    expect(inside).toBe(true);
  }
  await page.keyboard.press('Escape');
  await page.getByRole('dialog').waitFor({ state: 'detached' });
  expect(await focused(page)).toBe('Add a drive');
});
