// Long lists: few rows in the page, quick to scroll, wherever one is.

import { expect, test } from 'vitest';

import { calls, change, open, row } from './page';

test('of 1,000 queued changes only those to be seen are drawn', async () => {
  const page = await open({ view: 'transfers', state: 'thousand' });
  const options = row(page);
  expect(await options.count()).toBeLessThan(30);
  expect(await options.first().getAttribute('aria-setsize')).toBe('1000');
  await page.getByText('1,347 more wait behind these.').waitFor();
});

test('1,000 rows scroll without long pauses', async () => {
  const page = await open({ view: 'transfers', state: 'thousand' });
  const result = await page.evaluate(async () => {
    const list = document.querySelector('[role=listbox]');
    if (!list) throw new Error('no list');
    const blank: number[] = [];
    const frames: number[] = [];
    let before = performance.now();
    for (let i = 0; i < 60; i++) {
      list.scrollTop += (list.scrollHeight - list.clientHeight) / 60;
      await new Promise(requestAnimationFrame);
      await new Promise(requestAnimationFrame);
      frames.push(performance.now() - before);
      before = performance.now();
      const box = list.getBoundingClientRect();
      const at = document.elementFromPoint(box.left + 60, box.top + box.height / 2);
      if (!at?.closest('[role=option]')) blank.push(i);
    }
    const last = document.elementFromPoint(list.getBoundingClientRect().left + 60, list.getBoundingClientRect().bottom - 20);
    return { blank, last: last?.closest('[role=option]')?.textContent ?? '', frames: frames.sort((a, b) => a - b) };
  });
  expect(result.blank).toEqual([]);
  expect(result.last).toContain('Page 1000.tiff');
  // Two frames each; the median must be near what the browser can do at best, even on a busy machine.
  expect(result.frames[30]).toBeLessThan(150);
});

test('pushes neither move the list nor lose the chosen row', async () => {
  const page = await open({ view: 'transfers', state: 'thousand' });
  const list = page.getByRole('listbox');
  await list.evaluate((e) => {
    e.scrollTop = 20_000;
  });
  await row(page, /Page 0350/).click();
  const scroll = await list.evaluate((e) => e.scrollTop);
  await change(page, (d) => {
    const [drive] = d.drives;
    if (drive) drive.queue = drive.queue.slice(1);
  });
  await expect.poll(() => row(page).first().getAttribute('aria-setsize')).toBe('999');
  expect(await list.evaluate((e) => e.scrollTop)).toBe(scroll);
  expect(await page.locator('[role=option][aria-selected=true]').innerText()).toContain('Page 0350');
});

test('a folder of 2,500 comes page by page, as far as one looks', async () => {
  const page = await open({ view: 'files' });
  await row(page, 'Photos').dblclick();
  await row(page, '2026').dblclick();
  await row(page, 'IMG_0001.raw').waitFor();
  const lists = async () => (await calls(page)).filter((c) => c.includes('"ask":"list"') && c.includes('"path":"Photos/2026"')).length;
  expect(await lists()).toBe(1);
  await page.getByRole('listbox').focus();
  // The end moves on with each page that arrives.
  await expect
    .poll(
      async () => {
        await page.keyboard.press('End');
        return row(page, 'IMG_2500.raw').isVisible();
      },
      { timeout: 60_000 },
    )
    .toBe(true);
  expect(await row(page, 'IMG_2500.raw').getAttribute('aria-setsize')).toBe('2500');
  expect(await lists()).toBe(13);
  expect(await row(page).count()).toBeLessThan(40);
});

test('a page without traffic draws nothing, and one with traffic comes to rest', async () => {
  const page = await open({ state: 'synced' });
  const changes = (ms: number) =>
    page.evaluate(async (wait) => {
      let n = 0;
      const observer = new MutationObserver((all) => (n += all.length));
      observer.observe(document.body, { subtree: true, childList: true, attributes: true, characterData: true });
      await new Promise((resolve) => setTimeout(resolve, wait));
      observer.disconnect();
      return n;
    }, ms);
  await page.waitForTimeout(300);
  expect(await changes(2500)).toBe(0);
  await change(page, (d) => {
    const [drive] = d.drives;
    if (drive) drive.rate = { up: 3e6, down: 0 };
  });
  expect(await changes(2500)).toBeGreaterThan(0);
});
