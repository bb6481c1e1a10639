/*
 * Customers that pairs of the queue connect. Pure. A cluster is looked at as a whole, because its pairs hang together: of A–B–C, A and C may
 * be one person only because both look like B.
 */

export type Link = { id: string; customer_id: string; other_id: string };

/** A pair without which the cluster falls into two: each side is joined to the other one only through it. */
export type Bridge = { pair: string; left: string[]; right: string[] };

/** The bridges of a cluster, those of the smallest sides first. A pair alone has none: there is nothing else that it joins. */
export function findBridges(members: readonly string[], links: readonly Link[]): Bridge[] {
  if (members.length < 3) return [];
  return links
    .flatMap((link) => {
      const left = reachable(
        link.customer_id,
        links.filter((other) => other !== link),
      );
      if (left.has(link.other_id)) return [];
      const isLeft = (member: string) => left.has(member);
      return [{ pair: link.id, left: members.filter(isLeft), right: members.filter((member) => !isLeft(member)) }];
    })
    .sort((a, b) => smallerSide(a) - smallerSide(b));
}

const smallerSide = ({ left, right }: Bridge) => Math.min(left.length, right.length);

function reachable(start: string, links: readonly Link[]): Set<string> {
  const found = new Set([start]);
  for (const member of found)
    for (const { customer_id, other_id } of links) {
      if (customer_id === member) found.add(other_id);
      if (other_id === member) found.add(customer_id);
    }
  return found;
}
