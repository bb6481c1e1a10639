import { client } from '@aether/ui/client.ts';
import type { Unsent } from '@aether/ui/unsent.ts';
import { openOutbox } from '@aether/ui/useOutbox.ts';
import { logCall } from '../api/calls.ts';
import { liveFeed } from '../api/live.ts';
import type { NewCall } from '../api/records.ts';

/** A logged call that has no answer yet. `form`: what was typed, so that it can be corrected. */
type Written = { call: Omit<NewCall, 'client_id'>; form: object };

export type UnsentCall = Unsent<Written>;

export const callPlace = 'calls';

/** The calls that wait for the connection, and the actions on them. */
export const { useOutbox: useCallOutbox, sendUnsent } = openOutbox<Written>({
  name: 'calls',
  feed: liveFeed,
  async deliver({ client_id, call }) {
    await logCall({ ...call, client_id });
    for (const key of ['calls', 'context']) void client.invalidateQueries({ queryKey: [key] });
  },
  wordsOf: ({ call }) => `Call with ${call.number}`,
});
