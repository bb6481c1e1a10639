/*
 * Which versions of a record this page itself has made, each from which. An undo may go over one's own later writes, which the person
 * knows of, and never over somebody else's: it is sent with the version to which only own writes lead.
 */
const chains = new Map<string, Map<number, number>>();
const linksMax = 50;

/** Notes that a write of one's own led from a version to the next. @param record such as `customer:<id>` */
export function noteOwnWrite(record: string, from: number, to: number): void {
  const chain = chains.get(record) ?? new Map<number, number>();
  chains.delete(record);
  chains.set(record, chain.set(from, to));
  const [oldest] = chains.keys();
  if (chains.size > linksMax && oldest !== undefined) chains.delete(oldest);
}

/** The version that this one has become by own writes alone. */
export function followOwnWrites(record: string, version: number): number {
  const chain = chains.get(record);
  let at = version;
  for (let next = chain?.get(at); next !== undefined && next > at; next = chain?.get(at)) at = next;
  return at;
}
