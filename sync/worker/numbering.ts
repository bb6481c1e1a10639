import type { Floor } from './floor.ts';
import type { Lease } from './lease.ts';
import type { Line } from './line.ts';

/** While every batch is full, the next one is twice as large, up to so many times `batchMax`: a large batch costs less for each event. */
const backlogFactor = 4;
/** After how many events the worker asks again for partitions that could not be made. */
const partitionRetryEvents = 1_000;

const numberBatch = {
  name: 'number',
  text: 'select moved, head::float8 as head from sync.sequence($1, $2, $3, $4)',
};

/** isFull: more events may wait. */
export type Batch = { moved: number; head: number; isFull: boolean };

/** Numbers events in batches, as the leader of a term, and keeps partitions ready for the next events. */
export type Numbering = ReturnType<typeof createNumbering>;

export function createNumbering(
  line: Line,
  { batchMax, lease, floor, onError }: { batchMax: number; lease: Lease; floor: Floor; onError: (e: unknown) => void },
) {
  let head = 0;
  let size = batchMax;
  // At this position the next partitions are asked for.
  let partitionsDueAt = 0;
  /** Goes on while the next batch gathers. */
  let raising: Promise<void> = Promise.resolve();

  /** Asks long before the last partition is full, so that a partition that cannot be made now is made later. */
  async function addPartitions(): Promise<void> {
    try {
      const [row] = await line.query<{ last: number }>('select sync.add_partitions()::float8 as last');
      partitionsDueAt = head + Math.ceil(((row?.last ?? head) - head) / 4);
    } catch (error) {
      if (line.isLost()) throw error;
      onError(error);
      partitionsDueAt = head + partitionRetryEvents;
    }
  }

  return {
    /** Must run before anything is numbered, because numbering needs a partition. */
    async prepare(): Promise<void> {
      const [row] = await line.query<{ head: number }>('select sync.head()::float8 as head');
      head = row?.head ?? 0;
      await addPartitions();
    },
    /** Numbers one batch and thereby renews the lease. @throws TermOver when another worker leads: then nothing was numbered */
    async number(): Promise<Batch> {
      await raising;
      const sentAt = performance.now();
      // One statement: a line that goes silent meanwhile leaves no open transaction behind.
      const values = [size, floor.id(), lease.term() ?? 0, lease.leaseMs];
      const [batch] = await line.run<{ moved: number | null; head: number }>(numberBatch, values);
      lease.note(sentAt, batch?.moved != null);
      const moved = batch?.moved ?? 0;
      head = batch?.head ?? head;
      const isFull = moved >= size;
      size = isFull ? Math.min(size * 2, batchMax * backlogFactor) : batchMax;
      raising = floor.raise({ moved, hasMore: isFull });
      raising.catch(() => {}); // thrown by the next batch
      if (head >= partitionsDueAt) await addPartitions();
      return { moved, head, isFull };
    },
  };
}
