/*
 * The versions of a record that this page has made, each with the version before it. An undo may overwrite the person's own later writes,
 * which they know, but never somebody else's. So it is sent with the last version to which only own writes lead.
 */
const chains = new Map<string, Map<number, number>>();
const linksMax = 50;

/** Notes that a write of this page led from one version to the next. @param record such as `customer:<id>` */
export function noteOwnWrite(record: string, from: number, to: number): void {
  const chain = chains.get(record) ?? new Map<number, number>();
  chains.delete(record);
  chains.set(record, chain.set(from, to));
  const [oldest] = chains.keys();
  if (chains.size > linksMax && oldest !== undefined) chains.delete(oldest);
}

/** The last version that was made from this one by own writes alone. */
export function followOwnWrites(record: string, version: number): number {
  const chain = chains.get(record);
  let at = version;
  for (let next = chain?.get(at); next !== undefined && next > at; next = chain?.get(at)) at = next;
  return at;
}
