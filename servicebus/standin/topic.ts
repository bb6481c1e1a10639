import type { Sent } from './amqp.ts';
import { Queue, type QueueOptions } from './queue.ts';

/** A rule of a subscription: what a message must have. The stand-in has correlation filters, and the SQL filters 1=1 and 1=0. */
export type Rule = { sql: '1=1' | '1=0' } | { system: Record<string, string>; properties: Record<string, unknown> };

export type Subscription = { queue: Queue; rules: Map<string, Rule> };

/** The names that the management interface gives to system properties, and those of AMQP. */
const systemNames: Record<string, string> = {
  CorrelationId: 'correlation_id',
  MessageId: 'message_id',
  To: 'to',
  ReplyTo: 'reply_to',
  Label: 'subject',
  SessionId: 'group_id',
  ReplyToSessionId: 'reply_to_group_id',
  ContentType: 'content_type',
};

export class Topic {
  readonly name: string;
  readonly duplicatesMs: number;
  readonly subscriptions = new Map<string, Subscription>();
  /** Ids of messages and until when each counts as a duplicate, the oldest first. */
  readonly seen = new Map<string, number>();
  duplicates = 0;
  received = 0;

  constructor(name: string, duplicatesMs: number) {
    this.name = name;
    this.duplicatesMs = duplicatesMs;
  }

  addSubscription(name: string, options: QueueOptions, rules: Map<string, Rule>): Subscription {
    const made = { queue: new Queue(`${this.name}/Subscriptions/${name}`, options), rules };
    this.subscriptions.set(name.toLowerCase(), made);
    return made;
  }

  /** Gives the message to each subscription with a rule that it fits, unless its id was seen within the window. */
  publish(sent: Sent, nextSequence: () => number, now = Date.now()): void {
    this.received++;
    if (this.#isDuplicate(sent.messageId, now)) {
      this.duplicates++;
      return;
    }
    const sequence = nextSequence();
    for (const { queue, rules } of this.subscriptions.values())
      if ([...rules.values()].some((rule) => fits(rule, sent)))
        queue.enqueue({
          sent,
          sequence,
          enqueuedAt: now,
          deliveryCount: 0,
          expiresAt: sent.ttl ? now + sent.ttl : Number.POSITIVE_INFINITY,
        });
  }

  #isDuplicate(id: string | undefined, now: number): boolean {
    if (!this.duplicatesMs || id === undefined) return false;
    for (const [known, until] of this.seen) {
      if (until > now) break;
      this.seen.delete(known);
    }
    if (this.seen.has(id)) return true;
    this.seen.set(id, now + this.duplicatesMs);
    return false;
  }
}

function fits(rule: Rule, { app, system }: Sent): boolean {
  if ('sql' in rule) return rule.sql === '1=1';
  return (
    Object.entries(rule.system).every(([name, value]) => system[systemNames[name] ?? name] === value) &&
    Object.entries(rule.properties).every(([name, value]) => app[name] === value)
  );
}
