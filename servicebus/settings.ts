import { ConfigurationError } from '@aether/platform/log';

/** How a process reaches the namespace of Azure Service Bus, and where its events are. */
export type ServiceBusSettings = {
  /** With a key. Undefined: the process signs in with Entra at `namespace`. */
  connectionString: string | undefined;
  /** `<name>.servicebus.windows.net`; with a connection string, the host in it. */
  namespace: string;
  topic: string;
  credential: 'managed-identity' | 'default';
  /** The client id of a user-assigned managed identity. */
  clientId: string | undefined;
  transport: 'amqp' | 'websockets';
  /** The audiences whose events the relay puts on the topic. */
  audiences: string[];
  /** Where the management interface is, if not at the namespace: the stand-in has it on a port of its own. */
  adminUrl: string | undefined;
};

const topicDefault = 'aether-events';
/** As the service allows them. */
const entityName = /^[A-Za-z0-9](?:[A-Za-z0-9._-]{0,48}[A-Za-z0-9])?$/;
const audienceName = /^[a-z][a-z0-9_]{1,62}$/;

/**
 * Reads the settings SERVICEBUS_…, which docs/configuration.md lists. Pure.
 *
 * @returns undefined if neither SERVICEBUS_CONNECTION_STRING nor SERVICEBUS_NAMESPACE is set: then this process uses no Service Bus.
 * @throws ConfigurationError naming the variable and what it must be
 */
export function readServiceBusSettings(variables: Record<string, string | undefined>): ServiceBusSettings | undefined {
  const connectionString = variables.SERVICEBUS_CONNECTION_STRING?.trim() || undefined;
  const namespaceGiven = variables.SERVICEBUS_NAMESPACE?.trim() || undefined;
  if (!connectionString && !namespaceGiven) {
    const lonely = Object.keys(variables).find((name) => name.startsWith('SERVICEBUS_') && variables[name]);
    if (lonely)
      throw new ConfigurationError(
        `${lonely} is set, but neither SERVICEBUS_CONNECTION_STRING nor SERVICEBUS_NAMESPACE: set one of them, or unset ${lonely}.`,
      );
    return undefined;
  }
  if (connectionString && namespaceGiven)
    throw new ConfigurationError(
      'SERVICEBUS_CONNECTION_STRING and SERVICEBUS_NAMESPACE are both set: a key or Entra, not both. Unset one of them.',
    );
  return {
    connectionString,
    namespace: connectionString ? hostOf(connectionString) : requireNamespace(namespaceGiven as string),
    topic: readTopic(variables.SERVICEBUS_TOPIC),
    credential: readOne('SERVICEBUS_CREDENTIAL', variables, ['managed-identity', 'default']),
    clientId: readClientId(variables.SERVICEBUS_CLIENT_ID, connectionString),
    transport: readOne('SERVICEBUS_TRANSPORT', variables, ['amqp', 'websockets']),
    audiences: readAudiences(variables.SERVICEBUS_AUDIENCES),
    adminUrl: readAdminUrl(variables.SERVICEBUS_ADMIN_URL),
  };
}

function hostOf(connectionString: string): string {
  const fields = new Map(
    connectionString.split(';').map((field) => {
      const at = field.indexOf('=');
      return [field.slice(0, at).trim().toLowerCase(), field.slice(at + 1).trim()];
    }),
  );
  const [, host] = /^sb:\/\/([^/\s]+)\/?$/i.exec(fields.get('endpoint') ?? '') ?? [];
  const hasKey = fields.get('sharedaccesskeyname') && fields.get('sharedaccesskey');
  if (!host || !(hasKey || fields.get('sharedaccesssignature')))
    throw new ConfigurationError(
      'SERVICEBUS_CONNECTION_STRING is not one of Service Bus: it must look like Endpoint=sb://<name>.servicebus.windows.net/;SharedAccessKeyName=…;SharedAccessKey=…',
    );
  if (fields.get('entitypath'))
    throw new ConfigurationError(
      'SERVICEBUS_CONNECTION_STRING is that of one entity (EntityPath): give the one of the namespace, and name the topic in SERVICEBUS_TOPIC.',
    );
  return host;
}

function requireNamespace(given: string): string {
  if (!/^[A-Za-z][A-Za-z0-9-]{4,48}[A-Za-z0-9](\.[A-Za-z0-9-]+)+$/.test(given))
    throw new ConfigurationError(
      'SERVICEBUS_NAMESPACE must be the full name of the namespace, <name>.servicebus.windows.net, without sb:// and without a path.',
    );
  return given;
}

function readTopic(given: string | undefined): string {
  const topic = given || topicDefault;
  if (!entityName.test(topic))
    throw new ConfigurationError(
      'SERVICEBUS_TOPIC must be a name of 1 to 50 letters, digits, dots, _ and -, which begins and ends with a letter or a digit.',
    );
  return topic;
}

function readOne<const Value extends string>(
  name: string,
  variables: Record<string, string | undefined>,
  values: readonly [Value, ...Value[]],
): Value {
  const given = variables[name] || values[0];
  const known = values.find((value) => value === given);
  if (!known) throw new ConfigurationError(`${name} must be ${values.join(' or ')}.`);
  return known;
}

function readClientId(given: string | undefined, connectionString: string | undefined): string | undefined {
  if (!given) return undefined;
  if (connectionString)
    throw new ConfigurationError(
      'SERVICEBUS_CLIENT_ID names a managed identity, which a connection string does not use: unset one of them.',
    );
  if (!/^[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}$/i.test(given))
    throw new ConfigurationError('SERVICEBUS_CLIENT_ID must be the client id of a user-assigned managed identity.');
  return given;
}

function readAudiences(given: string | undefined): string[] {
  const audiences = [...new Set((given || 'platform').split(',').map((audience) => audience.trim()))];
  if (!audiences.every((audience) => audienceName.test(audience)))
    throw new ConfigurationError(
      'SERVICEBUS_AUDIENCES must be audiences with commas between them, as platform.apps lists them: platform,billing.',
    );
  return audiences;
}

function readAdminUrl(given: string | undefined): string | undefined {
  if (!given) return undefined;
  if (!/^https?:\/\//.test(given) || !URL.canParse(given))
    throw new ConfigurationError(
      'SERVICEBUS_ADMIN_URL must be the address of a management interface, http://127.0.0.1:5300.',
    );
  return new URL(given).origin;
}

export const isSubscriptionName = (name: string): boolean => entityName.test(name);

/** @throws ConfigurationError when it is no name of a subscription */
export function requireSubscriptionName(name: string): void {
  if (!isSubscriptionName(name))
    throw new ConfigurationError(
      `A subscription of the bus has a name of 1 to 50 letters, digits, dots, _ and -: it is ${name}.`,
    );
}
