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

/** How many lanes a process holds beyond its share: it gives them up. Pure. */
export function surplusOf(held: number, peers: Peer[]): number {
  const asking = peers.filter(({ asks }) => asks);
  if (asking.length === 0) return 0;
  const all = asking.reduce((sum, peer) => sum + peer.held, held);
  return Math.max(0, held - Math.ceil(all / (asking.length + 1)));
}

/** Whether it asks for a further lane: not while another one that asks holds fewer. Pure. */
export const mayAsk = (held: number, peers: Peer[]): boolean => peers.every((peer) => !peer.asks || peer.held >= held);
