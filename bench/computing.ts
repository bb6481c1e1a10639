import { median } from './measure.ts';

/** What a handler that computes does with an event, a number of times. */
export const compute = (event: unknown): unknown => JSON.parse(JSON.stringify(event));

/** How many µs of the processor that takes, with an event as a backlog has them. */
export function measureComputing(): number {
  const at = new Date();
  const id = '019a2b3c-4d5e-7f60-8a9b-0c1d2e3f4a5b';
  const data = {
    name: 'Backlog 17',
    email: 'bench1234@example.com',
    customerId: id,
    updatedBy: 'foundation',
    timestamp: at,
  };
  const event = {
    position: 123_456,
    id: 123_456,
    type: 'customer.updated',
    key: id,
    customer: id,
    rowId: id,
    version: 7,
    app: 'foundation',
    actor: null,
    occurredAt: at,
    data,
    previous: { name: 'Backlog 16' },
    trace: null,
    isReplay: false,
  };
  const taken: number[] = [];
  for (let n = 0; n < 20; n++) {
    const before = process.cpuUsage();
    for (let each = 0; each < 1_000; each++) compute(event);
    const { user, system } = process.cpuUsage(before);
    taken.push((user + system) / 1_000);
  }
  return median(taken);
}
