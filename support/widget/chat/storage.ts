import type { Pending } from './outbox.ts';
import type { Session } from './session.ts';

/** The data that outlives the page, for all tabs of the site. */
export type Kept = {
  session: Session | null;
  /** The name and address that the visitor gave. */
  visitor: { email: string; name: string } | null;
  /** The visitor has read up to this message. */
  read: number;
  /** The visitor has asked for a person, and the server does not know it yet. */
  asks: boolean;
  /** The person for whom the host page vouched in this conversation, as a number that names nobody. */
  who: number | null;
  /** The conversation whose visitor does not want to say how it was. */
  skipped: string | null;
};

export const nothing: Kept = { session: null, visitor: null, read: 0, asks: false, who: null, skipped: null };

export type Storage = ReturnType<typeof openStorage>;

/**
 * The storage of the host page, under names of the widget's own. Each unsent message is an entry of its own: two tabs that
 * write at the same moment never overwrite each other's. If there is no storage, or it is full, the page's memory takes its place: the
 * conversation continues, and is forgotten with the page.
 */
export function openStorage(key: string) {
  const name = `aether:${key}`;
  const outboxPrefix = `${name}:out:`;
  const draftName = `${name}:draft`;
  const local = withMemory(() => localStorage);
  const ofTab = withMemory(() => sessionStorage);

  const read = (): Kept => parseKept(local.get(name));
  return {
    read,
    write(change: Partial<Kept>): void {
      local.set(name, JSON.stringify({ ...read(), ...change }));
    },

    /** The unsent messages, in the order of writing. */
    outbox(): Pending[] {
      const all = local.names(outboxPrefix).flatMap((each) => parsePending(local.get(each)) ?? []);
      return all.sort((a, b) => a.at - b.at || (a.client_id < b.client_id ? -1 : 1));
    },
    put(pending: Pending): void {
      local.set(outboxPrefix + pending.client_id, JSON.stringify(pending));
    },
    drop(clientId: string): void {
      local.remove(outboxPrefix + clientId);
    },
    /** Forgets everything, for the next person. */
    clear(): void {
      for (const each of [name, ...local.names(outboxPrefix)]) local.remove(each);
      ofTab.remove(draftName);
    },

    /** The draft of this tab. */
    draft: (): string => ofTab.get(draftName) ?? '',
    keepDraft: (text: string): void => (text ? ofTab.set(draftName, text) : ofTab.remove(draftName)),

    /** Calls the listener when another tab has written. @returns ends it. */
    listen(onChange: () => void): () => void {
      const hear = (event: StorageEvent) => {
        if (event.key === null || event.key === name || event.key.startsWith(outboxPrefix)) onChange();
      };
      addEventListener('storage', hear);
      return () => removeEventListener('storage', hear);
    },
  };
}

/** A storage with a memory for the entries that it refuses. */
function withMemory(open: () => globalThis.Storage) {
  const memory = new Map<string, string | null>();
  const attempt = <T>(work: (storage: globalThis.Storage) => T): T | undefined => {
    try {
      return work(open());
    } catch {
      return undefined; // forbidden, or full
    }
  };
  return {
    get: (name: string): string | null => memory.get(name) ?? attempt((storage) => storage.getItem(name)) ?? null,
    set(name: string, text: string): void {
      memory.delete(name);
      attempt((storage) => storage.setItem(name, text));
      if (attempt((storage) => storage.getItem(name)) !== text) memory.set(name, text);
    },
    remove(name: string): void {
      memory.delete(name);
      attempt((storage) => storage.removeItem(name));
    },
    names: (prefix: string): string[] => [
      ...new Set(
        [...memory.keys(), ...(attempt((storage) => Object.keys(storage)) ?? [])].filter((each) =>
          each.startsWith(prefix),
        ),
      ),
    ],
  };
}

const isText = (value: unknown): value is string => typeof value === 'string';

/** Content of a foreign script or of an older version counts as nothing. */
export function parseKept(text: string | null): Kept {
  const { session, visitor, read, asks, who, skipped } = parseObject(text);
  return {
    session: parseSession(session) ?? nothing.session,
    visitor:
      isText(visitor?.email) && isText(visitor?.name) ? { email: visitor.email, name: visitor.name } : nothing.visitor,
    read: Number.isSafeInteger(read) && read > 0 ? read : nothing.read,
    asks: asks === true,
    who: Number.isSafeInteger(who) ? who : nothing.who,
    skipped: isText(skipped) ? skipped : nothing.skipped,
  };
}

/** Undefined when it is not a message. */
export function parsePending(text: string | null): Pending | undefined {
  const { client_id, body, question_id, files, at, state, reason, tried } = parseObject(text);
  if (!isText(client_id) || !isText(body) || !Number.isFinite(at) || !/^(waiting|ended|refused)$/.test(state))
    return undefined;
  const before = parseSession(tried);
  return {
    client_id,
    body,
    at,
    state,
    ...(isText(question_id) && { question_id }),
    ...(Array.isArray(files) && files.every((file) => isText(file?.id) && isText(file.name)) && { files }),
    ...(isText(reason) && { reason }),
    ...(before && { tried: before }),
  };
}

// biome-ignore lint/suspicious/noExplicitAny: a storage may hold anything
const parseSession = (value: any): Session | undefined =>
  isText(value?.id) && isText(value?.token) ? { id: value.id, token: value.token } : undefined;

// biome-ignore lint/suspicious/noExplicitAny: a storage may hold anything
function parseObject(text: string | null): Record<string, any> {
  try {
    return JSON.parse(text ?? '{}') ?? {};
  } catch {
    return {};
  }
}
