/*
 * What this page has been shown, for servers that read from a replica (docs/replicas.md). An answer may say in `Aether-Seen` how far the
 * database's log was; the page sends back the farthest, so that no later answer is older. A page that was told of a change by the stream asks for
 * the present once, with `now`. An answer that is older than a second says so in `Aether-Age`, and the page shows it.
 *
 * The farthest place is kept in the browser, too: a page that is loaded again, or opened in another tab, may reach another process, and must not lack
 * what its person has just changed.
 */

/** No replica is ever older. What is older than that needs no word, and is forgotten: another server may have taken the primary's place. */
const keptMs = 60_000;

/** A place in the log as a number; undefined for another text. */
function placeOf(text: string | null): number | undefined {
  const [, high, low] = /^([0-9A-F]{1,8})\/([0-9A-F]{1,8})$/i.exec(text ?? '') ?? [];
  return high && low ? Number.parseInt(high, 16) * 2 ** 32 + Number.parseInt(low, 16) : undefined;
}

const storageKey = 'aether-seen';

type Latest = { text: string; place: number; at: number };
type SeenStorage = Pick<Storage, 'getItem' | 'setItem'>;

/** Undefined where there is none, or the browser forbids it. */
function storageOfBrowser(): SeenStorage | undefined {
  try {
    return globalThis.window?.localStorage;
  } catch {
    return undefined;
  }
}

/** What a page of this browser has kept. */
function readLatest(storage: SeenStorage | undefined): Latest | undefined {
  try {
    const [, text = null, at] = /^(\S+) (\d+)$/.exec(storage?.getItem(storageKey) ?? '') ?? [];
    const place = placeOf(text);
    return text === null || place === undefined ? undefined : { text, place, at: Number(at) };
  } catch {
    return undefined;
  }
}

function keepLatest(storage: SeenStorage | undefined, { text, at }: Latest): void {
  try {
    storage?.setItem(storageKey, `${text} ${at}`);
  } catch {} // a full storage: pages that are opened later may be as old as the bound
}

/** @param now milliseconds since 1970, the same for all pages of a browser. */
export function createSeen(now: () => number = Date.now, storage?: SeenStorage) {
  let latest: Latest | undefined;
  const isKnown = (each: Latest | undefined): each is Latest =>
    each !== undefined && Math.abs(now() - each.at) < keptMs;
  /** The farthest that a page of this browser has been shown lately. */
  const farthest = (): Latest | undefined => {
    const [own, kept] = [latest, readLatest(storage)].map((each) => (isKnown(each) ? each : undefined));
    return own && kept ? (kept.place > own.place ? kept : own) : (own ?? kept);
  };
  let told = 0;
  let loaded = 0;
  /** How old the last answer of an address may be, in seconds, and the page that asked. */
  const ages = new Map<string, { page: string; seconds: number; at: number }>();
  const listeners = new Set<() => void>();
  return {
    subscribe(listener: () => void): () => void {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    /** How old something that this page has loaded was, in seconds; 0 if all of it was fresh. */
    ageOf(page: string): number {
      const shown = [...ages.values()].filter((each) => each.page === page && now() - each.at < keptMs);
      return Math.max(0, ...shown.map(({ seconds }) => seconds));
    },
    /** The page was told of a change: the next answers must have it. */
    tell(): void {
      told += 1;
    },
    /** For one request of a page to an address: its header, and whom to give the answer. */
    begin(
      page = '',
      address = '',
    ): { header: string | undefined; hear(answer: Pick<Response, 'headers' | 'ok'>): void } {
      const toldBefore = told;
      return {
        header: told > loaded ? 'now' : farthest()?.text,
        hear({ headers, ok }) {
          const seconds = Number(headers.get('Aether-Age') ?? 0);
          const isNews = (ages.get(address)?.seconds ?? 0) !== seconds;
          if (seconds > 0) ages.set(address, { page, seconds, at: now() });
          else ages.delete(address);
          if (isNews) for (const listener of listeners) listener();
          const text = headers.get('Aether-Seen');
          const place = placeOf(text);
          if (text === 'now') told += 1; // the server does not know how far it was
          if (text === null || place === undefined) return;
          // An answer that names no place, such as that of a version, did not ask the database for the present.
          if (ok) loaded = Math.max(loaded, toldBefore);
          if (place < (farthest()?.place ?? 0)) return;
          latest = { text, place, at: now() };
          keepLatest(storage, latest);
        },
      };
    },
  };
}

/** What this page has been shown. */
export const seen = createSeen(Date.now, storageOfBrowser());
