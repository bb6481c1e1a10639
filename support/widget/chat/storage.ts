import type { Pending } from './outbox.ts';

/** What outlives the page, for all tabs of the site. */
export type Kept = {
  session: { id: string; token: string } | null;
  outbox: Pending[];
  /** As the visitor said. */
  visitor: { email: string; name: string } | null;
  /** Up to which message the visitor has read. */
  read: number;
};

const nothing: Kept = { session: null, outbox: [], visitor: null, read: 0 };

export type Storage = {
  read(): Kept;
  write(change: Partial<Kept>): Kept;
  /** Called when another tab wrote. @returns ends it. */
  listen(onChange: () => void): () => void;
};

/**
 * The storage of the host page, under a name of the widget's own. Where there is none, or it is full, the page's memory stands in: the
 * conversation goes on, and is forgotten with the page.
 */
export function openStorage(key: string): Storage {
  const name = `aether:${key}`;
  let memory: Kept = nothing;
  let isLost = false;

  function read(): Kept {
    if (isLost) return memory;
    try {
      const text = localStorage.getItem(name);
      memory = text === null ? nothing : parse(text);
    } catch {} // forbidden
    return memory;
  }

  return {
    read,
    write(change) {
      memory = { ...read(), ...change };
      try {
        localStorage.setItem(name, JSON.stringify(memory));
        isLost = false;
      } catch {
        isLost = true;
      }
      return memory;
    },
    listen(onChange) {
      const hear = (event: StorageEvent) => {
        if (event.key === name || event.key === null) onChange();
      };
      addEventListener('storage', hear);
      return () => removeEventListener('storage', hear);
    },
  };
}

/** What somebody else wrote there, or an older version, is as nothing. */
export function parse(text: string): Kept {
  try {
    const { session, outbox, visitor, read } = JSON.parse(text) ?? {};
    const isText = (value: unknown) => typeof value === 'string';
    return {
      session: isText(session?.id) && isText(session?.token) ? { id: session.id, token: session.token } : null,
      outbox: Array.isArray(outbox)
        ? outbox.filter(
            (each) => isText(each?.client_id) && isText(each?.body) && /^(waiting|refused)$/.test(each.state),
          )
        : [],
      visitor: isText(visitor?.email) && isText(visitor?.name) ? { email: visitor.email, name: visitor.name } : null,
      read: Number.isInteger(read) ? read : 0,
    };
  } catch {
    return nothing;
  }
}
