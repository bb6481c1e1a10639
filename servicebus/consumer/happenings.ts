import type { BusEvent } from '../wire.ts';

/** What happens to a consumer, for its log and metrics. */
export type ConsumerHappening =
  | { kind: 'events.handled'; events: BusEvent[]; fresh: number }
  | { kind: 'event.failed'; event: BusEvent; attempt: number; isDead: boolean; error: unknown }
  /** It was replayed, and a later version of its row was handled before: the handler did not get it. */
  | { kind: 'event.outdated'; event: BusEvent }
  /** It cannot be read, and is a dead letter now. */
  | { kind: 'message.unreadable'; messageId: string; error: unknown }
  /** Nothing is lost: it goes on by itself. */
  | { kind: 'consumer.failed'; sentence: string; error: unknown }
  | { kind: 'consumer.recovered' };

/** Without a listener a failure is a warning of the process, so that none is silent. */
export function warn(happening: ConsumerHappening): void {
  if (!('error' in happening)) return;
  const { error } = happening;
  const words = 'sentence' in happening ? happening.sentence : String(error instanceof Error ? error.message : error);
  process.emitWarning(`${happening.kind}: ${words}`, { type: 'ConsumerWarning', code: happening.kind });
}
