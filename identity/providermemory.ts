import type { Adapter, AdapterPayload } from 'oidc-provider';

type Kept = { payload: AdapterPayload; expiresAt: number };

const entriesMax = 10_000;

/**
 * Holds the data of the local provider between two steps of a sign-in in memory, for minutes at most. Sessions are not
 * kept, so a person chooses a persona at each sign-in.
 */
export function rememberBriefly(): (model: string) => Adapter {
  const kept = new Map<string, Kept>();

  function sweep(): void {
    const now = Date.now();
    for (const [key, { expiresAt }] of kept) if (expiresAt <= now) kept.delete(key);
    for (const key of kept.keys()) {
      if (kept.size <= entriesMax) break;
      kept.delete(key); // the oldest, because a Map keeps the order
    }
  }

  return (model) => {
    const keyOf = (id: string) => `${model}:${id}`;
    const read = (key: string) => {
      const found = kept.get(key);
      return found && found.expiresAt > Date.now() ? found.payload : undefined;
    };
    const seek = (holds: (payload: AdapterPayload) => boolean) => {
      for (const key of kept.keys()) {
        const payload = key.startsWith(`${model}:`) ? read(key) : undefined;
        if (payload && holds(payload)) return payload;
      }
      return undefined;
    };
    return {
      async upsert(id, payload, expiresIn) {
        if (model === 'Session') return;
        kept.set(keyOf(id), { payload, expiresAt: Date.now() + (expiresIn ?? 600) * 1_000 });
        sweep();
      },
      find: async (id) => read(keyOf(id)),
      findByUid: async (uid) => seek((payload) => payload.uid === uid),
      findByUserCode: async (userCode) => seek((payload) => payload.userCode === userCode),
      async consume(id) {
        const payload = read(keyOf(id));
        if (payload) payload.consumed = Math.floor(Date.now() / 1_000);
      },
      async destroy(id) {
        kept.delete(keyOf(id));
      },
      async revokeByGrantId(grantId) {
        for (const [key, { payload }] of kept) if (payload.grantId === grantId) kept.delete(key);
      },
    };
  };
}
