import { mkdir } from 'node:fs/promises';
import type { Browser, Locator, Page } from 'playwright-core';
import { afterEach, beforeAll, expect, test } from 'vitest';
import { openBrowser, undoLast } from './testing.browser.ts';
import { findMisfits } from './testing.misfits.mjs';
import { follow, type Stack, signIn, startStack } from './testing.stack.ts';

let browser: Browser;
let stack: Stack;
let maya: Page;
let errors: string[];
beforeAll(async () => {
  [browser, stack] = await Promise.all([openBrowser(), startStack()]);
  ({ page: maya, errors } = await signIn(browser, stack.foundation, 'Maya Okafor'));
}, 240_000);
afterEach(() => {
  expect(errors.splice(0)).toEqual([]);
});

const api = (method: string, path: string, body?: unknown) =>
  stack.call(method, `${stack.foundation}${path}`, { as: 'maya', body });
const seen = (locator: Locator) => locator.first().waitFor();
const addresses = () => maya.getByRole('region', { name: 'Addresses' });
const emailsOf = async (id: string) =>
  (await api('GET', `/api/customers/${id}`)).body.addresses.map(({ email }: { email: string }) => email);
const undo = () => undoLast(maya);
/** Takes a picture if AETHER_LOOK is set. */
async function look(name: string): Promise<void> {
  const folder = process.env.AETHER_LOOK;
  if (!folder) return;
  await mkdir(folder, { recursive: true });
  await maya.screenshot({ path: `${folder}/${name}.png` });
}

test('addresses are added, made primary and removed by keyboard, and undo reverses each step', async () => {
  const { body: customer } = await api('POST', '/api/customers', { name: 'Many Mails', email: 'many@example.com' });
  await follow(maya, `${stack.foundation}/customers/${customer.id}`);
  await seen(addresses().getByText('Primary'));
  const reach = addresses().getByRole('link', { name: 'many@example.com' });
  expect(await reach.getAttribute('href')).toBe('mailto:many@example.com');
  const there = maya.getByRole('link', { name: 'Conversations and calls in Support' });
  expect(await there.getAttribute('href')).toBe(`${stack.support}/customers/${customer.id}`);
  await maya.getByRole('button', { name: 'Add an address to Many Mails' }).press('Enter');
  await maya.getByRole('textbox', { name: 'New address' }).fill('second@example.com');
  await maya.getByRole('textbox', { name: 'New address' }).press('Enter');
  await seen(addresses().getByText('second@example.com'));
  await undo();
  await expect.poll(() => emailsOf(customer.id)).toEqual(['many@example.com']);

  await maya.getByRole('button', { name: 'Add an address to Many Mails' }).click();
  await maya.getByRole('textbox', { name: 'New address' }).fill('nobody');
  await maya.getByRole('textbox', { name: 'New address' }).press('Enter');
  await seen(addresses().getByRole('alert'));
  await maya.getByRole('textbox', { name: 'New address' }).fill('second@example.com');
  await maya.getByRole('textbox', { name: 'New address' }).press('Enter');
  await maya.getByRole('button', { name: 'Make second@example.com the primary address' }).press('Enter');
  await seen(maya.getByRole('button', { name: 'Make many@example.com the primary address' }));
  expect(await emailsOf(customer.id)).toEqual(['second@example.com', 'many@example.com']);
  await undo();
  await expect.poll(() => emailsOf(customer.id)).toEqual(['many@example.com', 'second@example.com']);

  await maya.getByRole('button', { name: 'Remove the address second@example.com' }).press('Enter');
  await expect.poll(() => emailsOf(customer.id)).toEqual(['many@example.com']);
  await undo();
  await seen(addresses().getByText('second@example.com'));
  await look('addresses-light-wide');
  await maya.emulateMedia({ colorScheme: 'dark' });
  await look('addresses-dark-wide');
  await maya.setViewportSize({ width: 390, height: 844 });
  await follow(maya, `${stack.foundation}/customers/${customer.id}?pane=fields`);
  await seen(addresses().getByText('second@example.com'));
  expect(await maya.evaluate<boolean>('document.documentElement.scrollWidth <= innerWidth')).toBe(true);
  await look('addresses-dark-narrow');
  await maya.emulateMedia({ colorScheme: 'light' });
  await maya.setViewportSize({ width: 1440, height: 900 });
});

test('a corrected e-mail asks whether the former address was a mistake, and undo brings it back', async () => {
  const { body: customer } = await api('POST', '/api/customers', { name: 'Mistyped', email: 'mistyped@example.com' });
  await follow(maya, `${stack.foundation}/customers/${customer.id}`);
  const correct = async (email: string) => {
    await maya.getByRole('button', { name: /^E-mail: / }).click();
    await maya.getByRole('textbox', { name: 'E-mail' }).fill(email);
    await maya.getByRole('textbox', { name: 'E-mail' }).press('Enter');
  };
  await correct('right@example.com');
  await seen(maya.getByRole('dialog', { name: 'What about mistyped@example.com?' }));
  await look('correction-light-wide');
  await maya.getByRole('button', { name: 'It was a mistake' }).click();
  await expect.poll(() => emailsOf(customer.id)).toEqual(['right@example.com']);
  await undo();
  await expect.poll(() => emailsOf(customer.id)).toEqual(['mistyped@example.com']);
  await seen(maya.getByRole('button', { name: 'E-mail: mistyped@example.com' }));
  await correct('right@example.com');
  await maya.getByRole('button', { name: 'It is a second address' }).press('Enter');
  await expect.poll(() => emailsOf(customer.id)).toEqual(['right@example.com', 'mistyped@example.com']);
});

test('telephone numbers are added, made primary and removed by keyboard; a half-written one is kept, and undo reverses each step', async () => {
  const { body: customer } = await api('POST', '/api/customers', { name: 'Many Lines', email: 'lines@example.com' });
  const numbers = maya.getByRole('region', { name: 'Telephone numbers' });
  const typed = maya.getByRole('textbox', { name: 'New number' });
  const phonesOf = async () =>
    (await api('GET', `/api/customers/${customer.id}`)).body.phones.map(({ phone }: { phone: string }) => phone);
  const [office, mobile] = ['+49 30 1111111', '+49 170 2222222 ext. 12'];
  const begin = () => maya.getByRole('button', { name: 'Add a number to Many Lines' }).press('Enter');
  await follow(maya, `${stack.foundation}/customers/${customer.id}`);
  await begin();
  await typed.fill(office);
  await typed.press('Enter');
  await seen(maya.getByRole('button', { name: `Phone: ${office}` }));
  await begin();
  await typed.fill('+49 170 2222222/8');
  await typed.press('Enter');
  await seen(numbers.getByRole('alert').filter({ hasText: 'names several' }));
  await look('numbers-refused');
  await typed.press('Escape');
  await typed.waitFor({ state: 'detached' });
  await begin();
  await typed.fill(mobile);
  await maya.reload();
  await expect.poll(() => typed.inputValue()).toBe(mobile);
  await typed.press('Enter');
  await maya.getByRole('button', { name: `Make ${mobile} the primary number` }).press('Enter');
  await seen(maya.getByRole('button', { name: `Phone: ${mobile}` }));
  await maya.getByRole('button', { name: `Remove the number ${office}` }).press('Enter');
  await expect.poll(phonesOf).toEqual([mobile]);
  await undo();
  await expect.poll(phonesOf).toEqual([mobile, office]);
  await maya.keyboard.press('Control+z');
  await expect.poll(phonesOf).toEqual([office, mobile]);
  await seen(maya.getByRole('button', { name: `Phone: ${office}` }));
  await look('numbers-light-wide');
  await maya.keyboard.press('Control+k');
  await maya.getByRole('dialog').getByRole('textbox').fill('0170/222 2222');
  await seen(maya.getByRole('dialog').getByText('lines@example.com'));
  await look('numbers-palette');
  await maya.keyboard.press('Escape');
  await maya.emulateMedia({ colorScheme: 'dark' });
  await maya.setViewportSize({ width: 390, height: 844 });
  await maya.goto(`${stack.foundation}/customers/${customer.id}?pane=fields`); // loaded, so that no message lies over it
  await seen(numbers.getByText(mobile));
  await look('numbers-dark-narrow');
  expect(await maya.evaluate(findMisfits)).toEqual([]);
  await maya.emulateMedia({ colorScheme: 'light' });
  await maya.setViewportSize({ width: 1440, height: 900 });
});

test('a refused address names the customer who has it and leads there, and what is typed stays', async () => {
  const { body: holder } = await api('POST', '/api/customers', { name: 'Holding Hanna', email: 'hanna@example.com' });
  const { body: other } = await api('POST', '/api/customers', { name: 'Other Otto', email: 'otto@example.com' });
  const typed = maya.getByRole('textbox', { name: 'New address' });
  await follow(maya, `${stack.foundation}/customers/${other.id}`);
  await maya.getByRole('button', { name: 'Add an address to Other Otto' }).click();
  await typed.fill('hanna@example.com');
  await typed.press('Enter');
  await look('holder-of-address');
  await addresses().getByRole('alert').filter({ hasText: 'It belongs to Holding Hanna.' }).getByRole('link').click();
  await maya.waitForURL(`**/customers/${holder.id}`);
  await maya.goBack();
  await expect.poll(() => typed.inputValue()).toBe('hanna@example.com');

  await follow(maya, `${stack.foundation}/customers`);
  await maya.getByRole('button', { name: 'New customer' }).first().click();
  const dialog = maya.getByRole('dialog', { name: 'New customer' });
  const link = dialog.getByRole('link', { name: 'Holding Hanna', exact: true });
  await dialog.getByRole('textbox', { name: 'Name' }).fill('Hanna again');
  await dialog.getByRole('textbox', { name: 'E-mail' }).fill('hanna@example.com');
  await dialog.getByRole('textbox', { name: 'E-mail' }).press('Enter');
  await seen(link);
  await look('holder-in-dialog');
  await link.click();
  await maya.waitForURL(`**/customers/${holder.id}`);
  await dialog.waitFor({ state: 'detached' });
  await maya.goBack();
  await expect.poll(() => dialog.getByRole('textbox', { name: 'Name' }).inputValue()).toBe('Hanna again');
  await dialog.getByRole('button', { name: 'Cancel' }).click();
});
