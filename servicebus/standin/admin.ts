import http from 'node:http';
import type { QueueOptions } from './queue.ts';
import { type Rule, Topic } from './topic.ts';

/*
 * The management interface: topics, subscriptions and rules as entries of an Atom feed over HTTP. What a client writes is kept as it was
 * written, with the defaults of the service for what it left out.
 */

const longAgo = '2026-01-01T00:00:00Z';
const forever = 'P10675199DT2H48M5.4775807S';
const defaults: Record<string, Record<string, string>> = {
  TopicDescription: {
    DefaultMessageTimeToLive: forever,
    MaxSizeInMegabytes: '1024',
    RequiresDuplicateDetection: 'false',
    DuplicateDetectionHistoryTimeWindow: 'PT10M',
    EnableBatchedOperations: 'true',
    SizeInBytes: '0',
    Status: 'Active',
    SupportOrdering: 'true',
    AutoDeleteOnIdle: forever,
    EnablePartitioning: 'false',
    EntityAvailabilityStatus: 'Available',
    EnableExpress: 'false',
  },
  SubscriptionDescription: {
    LockDuration: 'PT1M',
    RequiresSession: 'false',
    DefaultMessageTimeToLive: forever,
    DeadLetteringOnMessageExpiration: 'false',
    DeadLetteringOnFilterEvaluationExceptions: 'true',
    MessageCount: '0',
    MaxDeliveryCount: '10',
    EnableBatchedOperations: 'true',
    Status: 'Active',
    AutoDeleteOnIdle: forever,
    EntityAvailabilityStatus: 'Available',
    CreatedAt: longAgo,
    UpdatedAt: longAgo,
    AccessedAt: longAgo,
  },
  RuleDescription: {},
};

const connectSpace =
  'xmlns="http://schemas.microsoft.com/netservices/2010/10/servicebus/connect" xmlns:i="http://www.w3.org/2001/XMLSchema-instance"';
const trueRule =
  '<Filter i:type="TrueFilter"><SqlExpression>1=1</SqlExpression><CompatibilityLevel>20</CompatibilityLevel></Filter><Name>$Default</Name>';

type Entry = { path: string; name: string; inner: string };

export type Admin = {
  server: http.Server;
  /** As a client does it, with the path of the entity. */
  put(path: string, body: string): { status: number; text: string };
  remove(path: string): number;
};

export function createAdmin(
  topics: Map<string, Topic>,
  {
    onPut,
    onRemove,
    onLeft,
  }: { onPut(path: string, body: string): void; onRemove(path: string): void; onLeft: QueueOptions['onLeft'] },
): Admin {
  const entries = new Map<string, Entry>();

  function put(path: string, body: string): { status: number; text: string } {
    const parts = path.split('/');
    const inner = withDefaults((tag(body, 'content')?.trim() ?? '').replace(/\w+:type="l28:/g, 'i:type="d6p1:'));
    const [topicName = '', , subscriptionName = '', , ruleName = ''] = parts;
    const topic = topics.get(topicName.toLowerCase());
    if (parts.length === 1) {
      if (!topic) {
        const windowMs = readDuration(tag(inner, 'DuplicateDetectionHistoryTimeWindow')) ?? 600_000;
        const made = new Topic(path, tag(inner, 'RequiresDuplicateDetection') === 'true' ? windowMs : 0);
        topics.set(path.toLowerCase(), made);
      }
    } else if (!topic) return { status: 404, text: refusal(404, 'SubCode=40400. Not Found.') };
    else if (parts.length === 3) {
      if (!topic.subscriptions.has(subscriptionName.toLowerCase())) {
        const rule = tag(inner, 'DefaultRuleDescription');
        const rules = new Map<string, Rule>(
          rule ? [[tag(rule, 'Name') ?? '$Default', readRule(rule)]] : [['$Default', { sql: '1=1' }]],
        );
        topic.addSubscription(
          subscriptionName,
          {
            requiresSession: tag(inner, 'RequiresSession') === 'true',
            lockMs: readDuration(tag(inner, 'LockDuration')),
            deliveriesMax: Number(tag(inner, 'MaxDeliveryCount')) || 10,
            onLeft,
          },
          rules,
        );
        for (const [name] of rules)
          entries.set(`${path}/Rules/${name}`.toLowerCase(), {
            path: `${path}/Rules/${name}`,
            name,
            inner: withDefaults(`<RuleDescription ${connectSpace}>${rule ?? trueRule}</RuleDescription>`),
          });
      }
    } else {
      const subscription = topic.subscriptions.get(subscriptionName.toLowerCase());
      if (!subscription) return { status: 404, text: refusal(404, 'SubCode=40400. Not Found.') };
      subscription.rules.set(ruleName, readRule(inner));
    }
    const entry = { path, name: parts.at(-1) as string, inner };
    entries.set(path.toLowerCase(), entry);
    return { status: 201, text: toAtom(entry, topics) };
  }

  function remove(path: string): number {
    if (!entries.delete(path.toLowerCase())) return 404;
    const [topic = '', , subscription = '', , rule] = path.toLowerCase().split('/');
    for (const known of entries.keys()) if (known.startsWith(`${path.toLowerCase()}/`)) entries.delete(known);
    if (rule !== undefined)
      topics
        .get(topic)
        ?.subscriptions.get(subscription)
        ?.rules.delete(path.split('/').at(-1) as string);
    else if (subscription) topics.get(topic)?.subscriptions.delete(subscription);
    else topics.delete(topic);
    return 200;
  }

  function list(path: string, skip: number, top: number): string | undefined {
    const [, parent] =
      /^(.*)\/(?:subscriptions|rules)$/i.exec(path) ?? (/^\$resources\/topics$/i.test(path) ? ['', ''] : []);
    if (parent === undefined) return undefined;
    const start = parent ? `${parent.toLowerCase()}/` : '';
    const depth = start.split('/').length + (parent ? 1 : 0);
    return [...entries.values()]
      .filter((entry) => entry.path.toLowerCase().startsWith(start) && entry.path.split('/').length === depth)
      .slice(skip, skip + top)
      .map((entry) => toAtom(entry, topics))
      .join('');
  }

  function answer(request: http.IncomingMessage, body: string): { status: number; text: string } {
    if (!request.headers.authorization) return { status: 401, text: refusal(401, 'Unauthorized') };
    const url = new URL(request.url ?? '/', 'http://stand-in');
    const path = decodeURIComponent(url.pathname.slice(1)).replace(/\/$/, '');
    if (request.method === 'PUT') {
      if (entries.has(path.toLowerCase()) && !request.headers['if-match'])
        return { status: 409, text: refusal(409, `SubCode=40900. Conflict. Entity '${path}' already exists.`) };
      const done = put(path, body);
      if (done.status < 300) onPut(path, body);
      return done;
    }
    if (request.method === 'DELETE') {
      const status = remove(path);
      if (status < 300) onRemove(path);
      return { status, text: '' };
    }
    const skip = Number(url.searchParams.get('$skip') ?? 0);
    const listed = list(path, skip, Number(url.searchParams.get('$top') ?? 100));
    if (listed !== undefined)
      return { status: 200, text: `<feed xmlns="http://www.w3.org/2005/Atom">${listed}</feed>` };
    const entry = entries.get(path.toLowerCase());
    // The service answers 200 with an empty feed for an entity that does not exist.
    const text = entry
      ? toAtom(entry, topics)
      : '<feed xmlns="http://www.w3.org/2005/Atom"><title type="text">Publicly Listed Services</title></feed>';
    return { status: 200, text };
  }

  const server = http.createServer((request, response) => {
    const parts: Buffer[] = [];
    request.on('data', (part) => parts.push(part));
    request.on('end', () => {
      const { status, text } = answer(request, Buffer.concat(parts).toString());
      response.writeHead(status, { 'content-type': 'application/atom+xml' });
      response.end(text);
    });
  });
  return { server, put, remove };
}

const refusal = (code: number, detail: string) => `<Error><Code>${code}</Code><Detail>${detail}</Detail></Error>`;

/** An entry with the counts of this moment. */
function toAtom({ path, name, inner }: Entry, topics: Map<string, Topic>): string {
  const [topic = '', , subscription = '', rule] = path.toLowerCase().split('/');
  const queue = rule === undefined ? topics.get(topic)?.subscriptions.get(subscription)?.queue : undefined;
  const space = 'xmlns:d2p1="http://schemas.microsoft.com/netservices/2011/06/servicebus"';
  const counts = queue
    ? `<CountDetails ${space}><d2p1:ActiveMessageCount>${queue.all.size}</d2p1:ActiveMessageCount><d2p1:DeadLetterMessageCount>${queue.deadLetters?.all.size ?? 0}</d2p1:DeadLetterMessageCount><d2p1:ScheduledMessageCount>0</d2p1:ScheduledMessageCount><d2p1:TransferMessageCount>0</d2p1:TransferMessageCount><d2p1:TransferDeadLetterMessageCount>0</d2p1:TransferDeadLetterMessageCount></CountDetails>`
    : '';
  const counted = inner
    .replace('</SubscriptionDescription>', `${counts}</SubscriptionDescription>`)
    .replace(/<MessageCount>\d+</, `<MessageCount>${(queue?.all.size ?? 0) + (queue?.deadLetters?.all.size ?? 0)}<`);
  return `<entry xmlns="http://www.w3.org/2005/Atom"><id>https://localhost/${path}</id><title type="text">${name}</title><content type="application/xml">${counted}</content></entry>`;
}

function withDefaults(inner: string): string {
  // What has no settings is written as an empty element.
  let text = inner.replace(/<((?:Topic|Subscription)Description)([^>]*)\/>/, '<$1$2></$1>');
  for (const [kind, values] of Object.entries(defaults)) {
    const end = `</${kind}>`;
    if (!text.includes(end)) continue;
    for (const [name, value] of Object.entries(values))
      if (!new RegExp(`<${name}[\\s/>]`).test(text)) text = text.replace(end, `<${name}>${value}</${name}>${end}`);
    if (kind === 'RuleDescription' && !/<Action[\s/>]/.test(text))
      text = text.replace(
        end,
        `<Action i:type="EmptyRuleAction" xmlns:i="http://www.w3.org/2001/XMLSchema-instance"/>${end}`,
      );
  }
  return text;
}

/** @throws when the rule has a filter that the stand-in does not know: it would otherwise let other messages through than the service does */
function readRule(xml: string): Rule {
  const [, type, filter = ''] = /<Filter[^>]*type="(?:[^":]*:)?(\w+)"[^>]*>([\s\S]*?)<\/Filter>/.exec(xml) ?? [];
  if (!type || type === 'TrueFilter') return { sql: '1=1' };
  if (type === 'FalseFilter') return { sql: '1=0' };
  if (type === 'SqlFilter') {
    const sql = fromXml(tag(filter, 'SqlExpression') ?? '').replaceAll(/\s/g, '');
    if (sql !== '1=1' && sql !== '1=0') throw new Error(`The stand-in has no SQL filter but 1=1 and 1=0: ${sql}`);
    return { sql };
  }
  const system: Record<string, string> = {};
  for (const name of [
    'CorrelationId',
    'MessageId',
    'To',
    'ReplyTo',
    'Label',
    'SessionId',
    'ReplyToSessionId',
    'ContentType',
  ]) {
    const value = tag(filter, name);
    if (value !== undefined) system[name] = fromXml(value);
  }
  const properties: Record<string, unknown> = {};
  for (const [, pair = ''] of filter.matchAll(/<KeyValueOfstringanyType>([\s\S]*?)<\/KeyValueOfstringanyType>/g))
    properties[fromXml(tag(pair, 'Key') ?? '')] = fromXml(tag(pair, 'Value') ?? '');
  return { system, properties };
}

const tag = (xml: string, name: string): string | undefined =>
  new RegExp(`<${name}(?:\\s[^>]*)?>([\\s\\S]*?)</${name}>`).exec(xml)?.[1];

const fromXml = (text: string): string =>
  text
    .replaceAll('&lt;', '<')
    .replaceAll('&gt;', '>')
    .replaceAll('&quot;', '"')
    .replaceAll('&apos;', "'")
    .replaceAll('&amp;', '&');

/** @returns milliseconds of an ISO 8601 duration of days, hours, minutes and seconds */
function readDuration(text: string | undefined): number | undefined {
  const parts = /^P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:([\d.]+)S)?)?$/.exec(text ?? '');
  if (!parts) return undefined;
  const [days = 0, hours = 0, minutes = 0, seconds = 0] = parts.slice(1).map((part) => Number(part ?? 0));
  return (((days * 24 + hours) * 60 + minutes) * 60 + seconds) * 1000;
}
