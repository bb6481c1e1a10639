import { client } from '../client.ts';
import { parts } from './lazy.tsx';

/** Nothing was asked of the server for so long: the page and its data are there. A longer wait leaves the first clicks without their pages. */
const quietMs = 150;
const lookMs = 50;

type Connection = { saveData?: boolean; effectiveType?: string };

/**
 * Loads the app's other parts one after another when nothing else happens, so that the next click, also one without a connection, finds
 * them here. A person who saves data or has a slow line gets them only when they are needed.
 */
export function loadAhead(): void {
  const { connection } = navigator as Navigator & { connection?: Connection };
  if (connection?.saveData || /2g/.test(connection?.effectiveType ?? '')) return;
  whenQuiet(loadNext);
}

async function loadNext(): Promise<void> {
  const part = parts.find((each) => each.getState().is === 'idle');
  if (!part) return;
  await part.ahead();
  if (part.getState().is === 'ready') whenIdle(loadNext);
  else window.addEventListener('online', () => whenQuiet(loadNext), { once: true }); // there is no line; the rest would fail too
}

const whenIdle = (run: () => void) =>
  'requestIdleCallback' in window ? requestIdleCallback(run, { timeout: 5_000 }) : setTimeout(run, 200);

function whenQuiet(run: () => void): void {
  let busyAt = performance.now();
  const timer = setInterval(() => {
    const now = performance.now();
    if (document.readyState !== 'complete' || client.isFetching() > 0) busyAt = now;
    if (now - busyAt < quietMs) return;
    clearInterval(timer);
    whenIdle(run);
  }, lookMs);
}
