import { createHash } from 'node:crypto';
import { ConfigurationError } from '@aether/platform/log';
import type { CorrelationRuleFilter, ServiceBusAdministrationClient } from '@azure/service-bus';
import { openAdmin } from './client.ts';
import { kindOf, reasonOf, toConfigurationError } from './failures.ts';
import { reportsSubscription } from './reports.ts';
import { requireSubscriptionName, type ServiceBusSettings } from './settings.ts';
import { recipientOfAll } from './wire.ts';

/*
 * The topic, a subscription for each consuming app, and their rules. Only an operator makes them, by `aether servicebus ensure` or by Bicep: a
 * process that starts never does, because what a typing mistake made would cost and be forgotten.
 */

export type WantedSubscription = {
  name: string;
  /** Whose events it gets: `platform`, and the audience of its own app. */
  audiences: string[];
  /** Only events of these types; by default all. */
  types?: string[] | undefined;
};

export type Change = { what: string; change: 'created' | 'corrected' | 'removed' | 'unchanged' };

export type SubscriptionState = {
  name: string;
  waiting: number;
  deadLetters: number;
  /** What is not as it must be, each with what to do. */
  problems: string[];
};
export type BusState = { topic: string; problems: string[]; subscriptions: SubscriptionState[] };

/** How long the broker remembers ids. A consumer's inbox knows those that are older. */
const duplicatesWindow = 'PT10M';
/** A consumer may be off for so long. */
const timeToLive = 'P14D';
const lockDuration = 'PT1M';
/** As many as the service allows: a message that is given back often, as while a database is down, is no dead letter. */
const deliveriesMax = 2000;
const rulePrefix = 'aether';

const topicOptions = {
  requiresDuplicateDetection: true,
  duplicateDetectionHistoryTimeWindow: duplicatesWindow,
  defaultMessageTimeToLive: timeToLive,
  enableBatchedOperations: true,
  supportOrdering: true,
  enablePartitioning: false,
};
const subscriptionOptions = {
  requiresSession: true,
  lockDuration,
  maxDeliveryCount: deliveriesMax,
  defaultMessageTimeToLive: timeToLive,
  deadLetteringOnMessageExpiration: true,
  deadLetteringOnFilterEvaluationExceptions: true,
};
const reportsOptions = { requiresSession: false, defaultMessageTimeToLive: 'PT1M', maxDeliveryCount: 10 };

/**
 * Makes what is missing and corrects what may be corrected. It needs the right to manage. What exists and cannot be changed, such as a topic
 * without duplicate detection, is refused and left as it is.
 *
 * @throws ConfigurationError
 */
export async function ensureTopology(settings: ServiceBusSettings, wanted: WantedSubscription[]): Promise<Change[]> {
  for (const { name } of wanted) {
    requireSubscriptionName(name);
    if (name.toLowerCase() === reportsSubscription)
      throw new ConfigurationError(
        `${reportsSubscription} is the subscription of the consumers' reports: choose another name.`,
      );
  }
  const admin = openAdmin(settings);
  try {
    const changes = [await ensureTopic(admin, settings)];
    changes.push(...(await ensureReports(admin, settings)));
    for (const each of wanted) changes.push(...(await ensureSubscription(admin, settings, each)));
    return changes;
  } catch (error) {
    throw toConfigurationError(error, settings);
  }
}

async function ensureTopic(admin: ServiceBusAdministrationClient, { topic }: ServiceBusSettings): Promise<Change> {
  const known = await findTopic(admin, topic);
  if (known) {
    const [problem] = problemsOfTopic(known);
    if (problem) throw new ConfigurationError(problem);
    return { what: `topic ${topic}`, change: 'unchanged' };
  }
  await orElseExists(() => admin.createTopic(topic, topicOptions));
  return { what: `topic ${topic}`, change: 'created' };
}

async function ensureReports(admin: ServiceBusAdministrationClient, { topic }: ServiceBusSettings): Promise<Change[]> {
  const what = `subscription ${reportsSubscription}`;
  if (await findSubscription(admin, topic, reportsSubscription)) return [{ what, change: 'unchanged' }];
  const defaultRuleOptions = {
    name: `${rulePrefix}-reports`,
    filter: { applicationProperties: { recipient: reportsSubscription } },
  };
  await orElseExists(() =>
    admin.createSubscription(topic, reportsSubscription, { ...reportsOptions, defaultRuleOptions }),
  );
  return [{ what, change: 'created' }];
}

async function ensureSubscription(
  admin: ServiceBusAdministrationClient,
  { topic }: ServiceBusSettings,
  wanted: WantedSubscription,
): Promise<Change[]> {
  const { name } = wanted;
  const what = `subscription ${name}`;
  const rules = rulesOf(wanted);
  const known = await findSubscription(admin, topic, name);
  if (!known) {
    // With a rule from the first moment on: without one, the service adds a rule that lets everything through.
    const [first] = rules as [(typeof rules)[number]];
    await orElseExists(() =>
      admin.createSubscription(topic, name, { ...subscriptionOptions, defaultRuleOptions: first }),
    );
    for (const { name: rule, filter } of rules.slice(1))
      await orElseExists(() => admin.createRule(topic, name, rule, filter));
    return [{ what, change: 'created' }];
  }
  const [problem] = problemsOfSubscription(known);
  if (problem) throw new ConfigurationError(problem);
  const changes: Change[] = [];
  const isAsWanted =
    known.maxDeliveryCount === subscriptionOptions.maxDeliveryCount &&
    known.lockDuration === lockDuration &&
    known.deadLetteringOnMessageExpiration;
  if (!isAsWanted)
    await admin.updateSubscription(
      Object.assign(known, subscriptionOptions, { requiresSession: known.requiresSession }),
    );
  changes.push({ what, change: isAsWanted ? 'unchanged' : 'corrected' });
  changes.push(...(await ensureRules(admin, topic, name, rules)));
  return changes;
}

/** Adds what is missing before it removes what is too much: no event is missed meanwhile. */
async function ensureRules(
  admin: ServiceBusAdministrationClient,
  topic: string,
  subscription: string,
  wanted: Rule[],
): Promise<Change[]> {
  const changes: Change[] = [];
  const known: { name: string; filter: unknown }[] = [];
  for await (const rule of admin.listRules(topic, subscription)) known.push(rule);
  for (const { name, filter } of wanted) {
    if (known.some((rule) => rule.name === name)) continue;
    await orElseExists(() => admin.createRule(topic, subscription, name, filter));
    changes.push({ what: `rule ${name} of ${subscription}`, change: 'created' });
  }
  for (const { name } of known) {
    const isOurs = name === '$Default' || name.startsWith(`${rulePrefix}-`);
    if (!isOurs || wanted.some((rule) => rule.name === name)) continue;
    await admin.deleteRule(topic, subscription, name);
    changes.push({ what: `rule ${name} of ${subscription}`, change: 'removed' });
  }
  return changes;
}

type Rule = { name: string; filter: CorrelationRuleFilter };

/** Correlation filters, which cost the broker less than SQL. A message that several rules let through comes once. Pure. */
export function rulesOf({ name, audiences, types }: WantedSubscription): Rule[] {
  const forAll = audiences.flatMap((audience) =>
    (types ?? [undefined]).map((type) => ({
      name: ruleName([rulePrefix, audience, type].filter(Boolean).join('-')),
      filter: { applicationProperties: { audience, recipient: recipientOfAll, ...(type && { type }) } },
    })),
  );
  return [...forAll, { name: `${rulePrefix}-own`, filter: { applicationProperties: { recipient: name } } }];
}

/** A rule has at most 50 characters. */
const ruleName = (name: string): string =>
  name.length <= 50 ? name : `${name.slice(0, 41)}-${createHash('sha256').update(name).digest('hex').slice(0, 8)}`;

/** What there is, and what is wrong with it. It needs the right to manage. @throws ConfigurationError */
export async function readTopology(settings: ServiceBusSettings): Promise<BusState> {
  const admin = openAdmin(settings);
  const { topic } = settings;
  try {
    const known = await findTopic(admin, topic);
    if (!known)
      return {
        topic,
        problems: [`The topic ${topic} does not exist: run \`aether servicebus ensure\`.`],
        subscriptions: [],
      };
    const subscriptions: SubscriptionState[] = [];
    for await (const counted of admin.listSubscriptionsRuntimeProperties(topic)) {
      const { subscriptionName: name, activeMessageCount: waiting, deadLetterMessageCount: deadLetters } = counted;
      if (name === reportsSubscription) continue;
      const problems = problemsOfSubscription(await admin.getSubscription(topic, name));
      subscriptions.push({ name, waiting, deadLetters, problems });
    }
    return { topic, problems: problemsOfTopic(known), subscriptions };
  } catch (error) {
    throw toConfigurationError(error, settings);
  }
}

type TopicFacts = { name: string; requiresDuplicateDetection: boolean; enablePartitioning: boolean; status?: string };

function problemsOfTopic({ name, requiresDuplicateDetection, enablePartitioning, status }: TopicFacts): string[] {
  const problems: string[] = [];
  const anew = 'It cannot be added later: remove the topic, and run `aether servicebus ensure`.';
  if (!requiresDuplicateDetection)
    problems.push(
      `The topic ${name} was made without duplicate detection, so that a repetition would be sent twice. ${anew}`,
    );
  if (enablePartitioning)
    problems.push(`The topic ${name} is partitioned, so that a batch of several customers is refused. ${anew}`);
  if (status && status !== 'Active') problems.push(`The topic ${name} is ${status}: enable it at the namespace.`);
  return problems;
}

type SubscriptionFacts = { subscriptionName: string; topicName: string; requiresSession: boolean; status?: string };

function problemsOfSubscription({ subscriptionName, topicName, requiresSession, status }: SubscriptionFacts): string[] {
  const problems: string[] = [];
  if (!requiresSession)
    problems.push(
      `The subscription ${subscriptionName} of ${topicName} was made without sessions, which keep the order of a customer. They cannot be added later: remove it, and run \`aether servicebus ensure\`.`,
    );
  if (status && status !== 'Active')
    problems.push(`The subscription ${subscriptionName} is ${status}: enable it at the namespace.`);
  return problems;
}

/** Not by topicExists, which answers false to every error. */
async function findTopic(admin: ServiceBusAdministrationClient, topic: string) {
  return orNothing(() => admin.getTopic(topic));
}

async function findSubscription(admin: ServiceBusAdministrationClient, topic: string, name: string) {
  return orNothing(() => admin.getSubscription(topic, name));
}

async function orNothing<Value>(read: () => Promise<Value>): Promise<Value | undefined> {
  try {
    return await read();
  } catch (error) {
    if (kindOf(error) === 'missing') return undefined;
    throw error;
  }
}

/** Two operators may make the same thing at once. */
async function orElseExists(make: () => Promise<unknown>): Promise<void> {
  try {
    await make();
  } catch (error) {
    if (reasonOf(error).code !== 'MessageEntityAlreadyExistsError' && reasonOf(error).statusCode !== 409) throw error;
  }
}
