#!/bin/sh
# Guess: when `page.route` of Playwright has returned, every request of the page goes through the route.
# Behaviour of playwright-core 1.65.1 with Chromium 153: a page that is busy learns of it later. A request that it makes until then is not held, reaches the
# server and is answered, and neither `request` nor `response` is told of it: `waitForResponse` waits in vain. It needs a route that was taken away before.
# Used for: `intercept` in e2e/testing.browser.ts.
#
# Needs npm, Node 22 or newer, and Linux on amd64. It takes up to a minute, and every core.
# Output seen: "after 2 tries: the server was asked once, the page has its answer, and Playwright saw none".
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm install --silent --no-audit --no-fund --prefix "$folder" playwright-core@1.65.1 @sparticuz/chromium@153.0.0
cat > late.mjs <<'JS'
import { spawn } from 'node:child_process';
import { createServer } from 'node:http';
import packed from '@sparticuz/chromium';
import { chromium } from 'playwright-core';

let asked = 0;
const server = createServer((request, response) => {
  if (request.method === 'POST') asked += 1;
  if (request.url !== '/') return void setTimeout(() => response.end('{}'), 3);
  response.setHeader('Content-Type', 'text/html');
  response.end(`<!doctype html><script>
    let answers = 0;
    addEventListener('keydown', async () => { await (await fetch('/act', { method: 'POST', body: '{}' })).text(); answers += 1; });
    setInterval(() => { const begin = performance.now(); while (performance.now() - begin < 25); }, 30);
  </script>`);
}).listen(0);
const load = Array.from({ length: 4 }, () => spawn(process.execPath, ['-e', 'for (;;);'], { stdio: 'ignore' }));
const executablePath = await packed.executablePath();
const browser = await chromium.launch({ executablePath, args: ['--no-sandbox', '--disable-dev-shm-usage', '--disable-gpu'] });
try {
  const page = await browser.newPage();
  await page.goto(`http://127.0.0.1:${server.address().port}/`);
  const end = Date.now() + 60_000;
  let words = 'Playwright saw every answer: the guess holds now.';
  process.exitCode = 1;
  for (let tries = 1; process.exitCode === 1 && Date.now() < end; tries++) {
    await page.route('**/list', (route) => route.continue());
    await page.evaluate(`fetch('/list').then((answer) => answer.text())`);
    await page.unroute('**/list');
    const [before, answered] = [asked, await page.evaluate('answers')];
    await page.route('**/act', (route) => route.continue());
    const seen = page.waitForResponse('**/act', { timeout: 4_000 }).then(() => true, () => false);
    await page.keyboard.press('d');
    if (!(await seen) && asked === before + 1 && (await page.evaluate('answers')) === answered + 1) {
      words = `after ${tries} tries: the server was asked once, the page has its answer, and Playwright saw none`;
      process.exitCode = 0;
    }
    await page.unroute('**/act');
  }
  console.log(words);
} finally {
  for (const each of load) each.kill('SIGKILL');
  await browser.close();
  server.close();
  server.closeAllConnections();
}
JS
node late.mjs
