/*
 * How several processes of one consumer share its lanes. The broker gives a lane to whoever asks, and takes none away: a process that starts later
 * would wait for as long as the first one holds all of them. So the processes tell each other in the inbox's database how many they hold.
 */

/** Another process of this consumer. */
export type Peer = {
  held: number;
  /** It works, and takes more. */
  asks: boolean;
};

export type Share = {
  /** How many lanes this process holds beyond its share: it gives them up. */
  surplus(held: number, peers: Peer[]): number;
  /** It has got a lane, perhaps one that it had given up. */
  noteTaken(): void;
};

/**
 * Lanes that were given up count until the others hold so many more: the broker gives a lane only when it has a message, and a process that asks may
 * get none. Otherwise a process would give up half of what it holds again and again, down to one lane, and nobody would have the rest.
 */
export function createShare(): Share {
  let given = 0;
  /** How many the others held when it was given up. */
  let before = 0;
  return {
    surplus(held, peers) {
      const asking = peers.filter(({ asks }) => asks);
      if (asking.length === 0) {
        given = 0;
        return 0;
      }
      const theirs = asking.reduce((sum, peer) => sum + peer.held, 0);
      given = Math.max(0, given - Math.max(0, theirs - before));
      before = theirs;
      const surplus = Math.max(0, held - Math.ceil((held + theirs + given) / (asking.length + 1)));
      given += surplus;
      return surplus;
    },
    noteTaken() {
      given = Math.max(0, given - 1);
    },
  };
}

/** Whether it asks for a further lane: not while another one that asks holds fewer. Pure. */
export const mayAsk = (held: number, peers: Peer[]): boolean => peers.every((peer) => !peer.asks || peer.held >= held);
