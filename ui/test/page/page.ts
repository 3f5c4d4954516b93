// Opens the page in one of the demo's states, and fails a test for whatever the browser complains about.

import { chromium, type Browser, type BrowserContextOptions, type Locator, type Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, expect, inject } from 'vitest';

import type { Demo } from '../../src/lib/demo/backend';
import type { View } from '../../src/lib/backend';

declare global {
  var lacunaDemo: Demo | undefined;
}

export const VIEWS: View[] = ['overview', 'transfers', 'activity', 'files', 'problems', 'settings'];

export interface Options {
  state?: string;
  language?: string;
  appearance?: 'light' | 'dark';
  tray?: 'no';
  account?: string;
  slow?: 'yes';
  view?: View;
  context?: BrowserContextOptions;
}

let browser: Browser;
let complaints: string[] = [];

beforeAll(async () => {
  browser = await chromium.connect(inject('browser'));
});
afterAll(async () => {
  await browser.close();
});
afterEach(async () => {
  await Promise.all(browser.contexts().map((c) => c.close()));
  const seen = complaints;
  complaints = [];
  expect(seen, 'the browser complained').toEqual([]);
});

export async function open({ view = 'overview', context, ...query }: Options = {}): Promise<Page> {
  const page = await (
    await browser.newContext({ viewport: { width: 1000, height: 720 }, reducedMotion: 'reduce', ...context })
  ).newPage();
  // As the app does.
  await page.addInitScript('Object.freeze(Object.prototype);');
  page.on('console', (message) => {
    if (['error', 'warning'].includes(message.type())) complaints.push(message.text());
  });
  page.on('pageerror', (error) => complaints.push(String(error)));
  page.on('request', (request) => {
    if (!request.url().startsWith(inject('address'))) complaints.push(`asked elsewhere: ${request.url()}`);
  });
  page.on('dialog', (dialog) => {
    complaints.push(`dialog: ${dialog.message()}`);
    void dialog.dismiss();
  });
  const search = new URLSearchParams(Object.entries(query));
  await page.goto(`${inject('address')}?${search.toString()}`);
  await page.getByRole('main').waitFor();
  if (view !== 'overview') await go(page, view);
  return page;
}

export async function go(page: Page, view: View): Promise<void> {
  await page.evaluate((to) => {
    globalThis.lacunaDemo?.navigate({ view: to });
  }, view);
  await page.locator(`nav [aria-current=page]`).first().waitFor();
}

/** Rows of a list (a choice in a form has options too). */
export const row = (page: Page, name?: string | RegExp): Locator =>
  page.getByRole('listbox').getByRole('option', name === undefined ? {} : { name });

/** What the page asked its app for, as `name [arguments]`. */
export const calls = (page: Page): Promise<string[]> => page.evaluate(() => globalThis.lacunaDemo?.calls ?? []);

/** Changes the invented drives and tells the page. */
export async function change(page: Page, how: (demo: Demo) => void): Promise<void> {
  await page.evaluate(`(${how.toString()})(globalThis.lacunaDemo); globalThis.lacunaDemo.push();`);
}
