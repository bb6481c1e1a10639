import { afterEach, expect, test } from 'vitest';
import { type Line, shareLine } from './sharedline.ts';

let lines = 0;
const tabs: { close(): void }[] = [];
afterEach(() => {
  for (const tab of tabs.splice(0)) tab.close();
});

/** A tab, with the locks and the channel of this process, which are as a browser's. */
function openTab(name: string, answerMs = 60_000, askEveryMs = 60_000) {
  const heard: string[] = [];
  const opened: boolean[] = [];
  let say: ((message: string) => void) | undefined;
  let latest = 'connecting';
  const shared: Line = shareLine<string>({
    name,
    answerMs,
    askEveryMs,
    latest: () => latest,
    onLost: () => heard.push('lost'),
    hear: (message) => {
      latest = message;
      heard.push(message);
    },
    open(tell, isAfter) {
      lines += 1;
      opened.push(isAfter);
      say = tell;
      return {
        again: () => tell('again'),
        close: () => {
          lines -= 1;
          say = undefined;
        },
      };
    },
  });
  tabs.push(shared);
  return { heard, opened, say: (message: string) => say?.(message), leads: () => say !== undefined, ...shared };
}

test('of many tabs one has a line, and all hear what comes; a tab that is opened later hears first how it stands', async () => {
  const first = openTab('many');
  await expect.poll(first.leads).toBe(true);
  first.say('live');
  const others = Array.from({ length: 9 }, () => openTab('many'));
  for (const { heard } of others) await expect.poll(() => heard[0]).toBe('live');
  first.say('an event');
  for (const { heard } of others) await expect.poll(() => heard.at(-1)).toBe('an event');
  expect(lines).toBe(1);
  expect(first.heard).toEqual(['live', 'an event']);
  // The network is back, as each tab is told: one line is opened anew.
  others[0]?.again();
  first.again();
  await expect.poll(() => others[8]?.heard.at(-1)).toBe('again');
  expect(lines).toBe(1);
});

test('when the tab with the line is closed, another one opens it, knows that it may have missed something, and the rest hear it', async () => {
  const [first, second, third] = [openTab('heirs'), openTab('heirs'), openTab('heirs')];
  await expect.poll(first.leads).toBe(true);
  first.say('live');
  await expect.poll(() => [second, third].map(({ heard }) => heard.at(-1))).toEqual(['live', 'live']);
  first.close();
  await expect.poll(second.leads).toBe(true);
  expect([first.opened, second.opened]).toEqual([[false], [true]]);
  second.say('again live');
  await expect.poll(() => third.heard.at(-1)).toBe('again live');
  expect(lines).toBe(1);
});

test('a tab that gives no answer loses the line to one that asks; one that has lost it gets it back when nobody has it', async () => {
  const leave = Promise.withResolvers<void>();
  const hold = (options: LockOptions) => navigator.locks.request('stopped', options, () => leave.promise);
  // A page that the browser has stopped holds the lock and says nothing.
  hold({}).catch(() => {});
  const tab = openTab('stopped', 20);
  await expect.poll(tab.leads).toBe(true);
  expect(tab.opened).toEqual([true]);
  hold({ steal: true }).catch(() => {});
  await expect.poll(() => [tab.leads(), lines]).toEqual([false, 0]);
  // What came until it knew is not known here.
  expect(tab.heard.at(-1)).toBe('lost');
  leave.resolve();
  await expect.poll(tab.leads).toBe(true);
  expect(lines).toBe(1);
});

test('a tab in sight learns that the one with the line has stopped while nobody turns to another tab', async () => {
  const leave = Promise.withResolvers<void>();
  const first = new BroadcastChannel('stops');
  navigator.locks.request('stops', {}, () => leave.promise).catch(() => {});
  let isStopped = false;
  first.onmessage = ({ data }) => {
    if ('ask' in data && !isStopped) first.postMessage({ since: 1, message: 'live' });
  };
  const tab = openTab('stops', 50, 20);
  try {
    await expect.poll(() => tab.heard.length).toBeGreaterThan(3);
    expect(tab.leads()).toBe(false);
    isStopped = true;
    await expect.poll(tab.leads).toBe(true);
    expect(tab.opened).toEqual([true]);
  } finally {
    leave.resolve();
    first.close();
  }
});

test('what a tab says that has lost the line and does not know it is not heard; a tab that hears of a newer one gives the line up', async () => {
  const [leads, follows] = [openTab('two'), openTab('two')];
  await expect.poll(leads.leads).toBe(true);
  leads.say('live');
  await expect.poll(() => follows.heard.at(-1)).toBe('live');
  const other = new BroadcastChannel('two');
  try {
    other.postMessage({ since: 1, message: 'reconnecting, says an old one' });
    other.postMessage({ since: Date.now() + 60_000, message: 'live, says a new one' });
    await expect.poll(() => follows.heard.at(-1)).toBe('live, says a new one');
    await expect.poll(() => leads.heard).toContain('lost');
    expect([...leads.heard, ...follows.heard]).not.toContain('reconnecting, says an old one');
  } finally {
    other.close();
  }
});

test('a tab that was opened while another one led, and has heard nothing of it, knows that it may have missed something', async () => {
  const leave = Promise.withResolvers<void>();
  navigator.locks.request('quiet', {}, () => leave.promise).catch(() => {});
  const tab = openTab('quiet');
  expect(tab.leads()).toBe(false);
  leave.resolve();
  await expect.poll(() => tab.opened).toEqual([true]);
});

test('where the browser has locks and refuses them to the page, the tab has a line to itself', async () => {
  const { locks } = navigator;
  const refuses = { request: () => Promise.reject(new DOMException('Denied', 'SecurityError')) };
  Object.defineProperty(navigator, 'locks', { value: refuses, configurable: true });
  try {
    const tab = openTab('refused');
    await expect.poll(tab.leads).toBe(true);
  } finally {
    Object.defineProperty(navigator, 'locks', { value: locks, configurable: true });
  }
});

test('tabs of other names share nothing, as those of another person', async () => {
  const [maya, tom] = [openTab('live maya'), openTab('live tom')];
  await expect.poll(() => [maya.leads(), tom.leads()]).toEqual([true, true]);
  maya.say('for maya');
  tom.say('for tom');
  expect([maya.heard, tom.heard, lines]).toEqual([['for maya'], ['for tom'], 2]);
});
