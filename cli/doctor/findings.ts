import type { Login } from '@aether/database';

/**
 * `ok`: as it should be. `untried`: nobody gave what it takes to try. `warning`: it works, and somebody should mend it. `wrong`: something
 * does not work, or data may be lost or taken.
 */
export type State = 'ok' | 'untried' | 'warning' | 'wrong';

/** What one check found. `docs/doctor.md` says what each check looks for. */
export type Finding = {
  check: string;
  /** The logins that it is about; none if it is about the server. */
  logins: Login[];
  state: State;
  /** What is so. */
  found: string;
  /** What to do; undefined if there is nothing to do. */
  remedy?: string;
};

const order: State[] = ['wrong', 'warning', 'untried', 'ok'];

/** The worst state of all. */
export const worstOf = (findings: Finding[]): State =>
  order.find((state) => findings.some((finding) => finding.state === state)) ?? 'ok';

/** The findings with the worst first; what several logins share is one finding. */
export function arrange(findings: Finding[]): Finding[] {
  const shared = Map.groupBy(findings, ({ check, state, found, remedy }) =>
    JSON.stringify([check, state, found, remedy ?? '']),
  );
  return [...shared.values()]
    .map((same) => ({ ...(same[0] as Finding), logins: [...new Set(same.flatMap(({ logins }) => logins))] }))
    .sort((one, other) => order.indexOf(one.state) - order.indexOf(other.state));
}

/** The first few of a list, and how many more there are. */
export function some(list: string[], most = 3): string {
  const more = list.length - most;
  return list.slice(0, most).join('; ') + (more > 0 ? `; and ${more} more` : '');
}
