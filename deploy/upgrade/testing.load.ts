import { setTimeout as wait } from 'node:timers/promises';

type Signed = { Authorization: string };
type View = { id: number; name: string };

const viewsMax = 20;
const pauseMs = 5;

/**
 * People who work without a pause: each saves views, renames them, deletes the oldest, reads the list, and makes customers. Whatever was acknowledged is
 * kept, and each list is compared with it.
 *
 * @param pick gives the address for the next request
 */
export function startLoad(pick: () => string, people: Signed[]) {
  const refused: string[] = [];
  const wrong: string[] = [];
  const customers: string[] = [];
  const views = new Map<string, string>();
  let requests = 0;
  let isRunning = true;

  async function call<T>(who: Signed, method: string, path: string, body?: object): Promise<T | undefined> {
    requests += 1;
    try {
      const answer = await fetch(`${pick()}${path}`, {
        method,
        headers: { ...who, ...(body && { 'Content-Type': 'application/json' }) },
        ...(body && { body: JSON.stringify(body) }),
      });
      const text = await answer.text();
      if (answer.ok) return (text ? JSON.parse(text) : {}) as T;
      refused.push(`${method} ${path}: ${answer.status} ${text}`);
    } catch (error) {
      refused.push(`${method} ${path}: ${error} ${(error as Error).cause ?? ''}`);
    }
    return undefined;
  }

  const work = async (who: Signed, person: number) => {
    const own: View[] = [];
    for (let turn = 0; isRunning; turn++) {
      const made = await call<View>(who, 'POST', '/api/views', {
        page: 'customers',
        name: `view ${person}.${turn}`,
        query: 'sort=name',
      });
      if (made) own.push(made);
      const oldest = own[0];
      if (oldest) {
        const renamed = await call<View>(who, 'PATCH', `/api/views/${oldest.id}`, {
          name: `renamed ${person}.${turn}`,
        });
        if (renamed) oldest.name = renamed.name;
      }
      if (own.length > viewsMax) {
        const gone = own.shift() as View;
        await call(who, 'DELETE', `/api/views/${gone.id}`);
      }
      const listed = await call<{ views: View[] }>(who, 'GET', '/api/views?page=customers');
      const [expected, found] = [own, listed?.views ?? own].map((list) =>
        list
          .map(({ id, name }) => `${id} ${name}`)
          .sort()
          .join(),
      );
      if (expected !== found) wrong.push(`expected ${expected}, found ${found}`);
      const customer = await call<{ id: string }>(who, 'POST', '/api/customers', {
        email: `load.${person}.${turn}@example.com`,
        name: `Load ${person}`,
      });
      if (customer) customers.push(customer.id);
      await wait(pauseMs);
    }
    for (const { id, name } of own) views.set(String(id), name);
  };
  const working = people.map(work);
  return {
    requests: () => requests,
    refused,
    wrong,
    /** Settles when each person has been served so many times more. */
    async goesOn(more = 20 * people.length): Promise<void> {
      const until = requests + more;
      while (requests < until) await wait(20);
    },
    /** @returns what was acknowledged: the ids of customers, and the views that are left, by id. */
    async end(): Promise<{ customers: string[]; views: Map<string, string> }> {
      isRunning = false;
      await Promise.all(working);
      return { customers, views };
    },
  };
}
